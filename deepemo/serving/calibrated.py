"""Which models a finished pipeline run offers, and what `evaluate` fitted for each; read without TensorFlow."""

import json
from dataclasses import dataclass
from pathlib import Path

from deepemo.errors import InputError

CALIBRATION_FILE = Path("serving/calibration.json")
# By model, the networks whose mean it is.
PARTS = {"shallow": ("shallow",), "transfer": ("transfer",), "ensemble": ("shallow", "transfer")}


@dataclass(frozen=True)
class Calibration:
    """Temperature by which probabilities are scaled, and the least one that is answered."""

    temperature: float
    threshold: float


def read_calibration(models: Path, name: str) -> Calibration:
    """Read what was fitted for a model.

    Args:
        models: folder of models.
        name: one of `PARTS`.

    Raises:
        InputError: the name is none of them, or the file is missing or does not hold them.
    """
    if name not in PARTS:
        raise InputError(f"Bad model {name!r}, expected one of {list(PARTS)}")
    path = models / CALIBRATION_FILE
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a finished pipeline run; `dvc repro` makes one")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Calibration(float(content[name]["temperature"]), float(content[name]["threshold"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: expected temperature and threshold of {name!r}") from error
