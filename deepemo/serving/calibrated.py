"""What a finished pipeline run offers to answer with: models, what was fitted for each, the gate, the clips' limits.

Read without TensorFlow, so that what is missing is said at once.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from deepemo.errors import InputError
from deepemo.params import VoiceDecision
from deepemo.serving.run_record import LOCK_FILE, ran_with

CALIBRATION_FILE = Path("serving/calibration.json")
# Beside the folder of models, in the pipeline's root.
GATE_FILE = Path("metrics/gate.json")
# As params.yaml has it by default; docs/voice-gate.md says what it rests on.
DEFAULT_GATE = VoiceDecision(voice_threshold=0.25, min_voice_share=0.02, min_voice_seconds=0.48)
# By model, the networks whose mean it is.
PARTS = {"shallow": ("shallow",), "transfer": ("transfer",), "ensemble": ("shallow", "transfer")}


@dataclass(frozen=True)
class ClipLimits:
    """What the model's clips had to be, and so must be what it is asked about.

    Attributes:
        min_seconds: shortest recording.
        silent_below_dbfs: RMS of the whole recording below which it is silent.
    """

    min_seconds: float
    silent_below_dbfs: float


# As params.yaml has them by default.
DEFAULT_LIMITS = ClipLimits(min_seconds=0.5, silent_below_dbfs=-75.0)


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


def read_gate(models: Path) -> VoiceDecision:
    """The voice gate that the pipeline measured; the default one where it measured none.

    Args:
        models: folder of models.

    Raises:
        InputError: the record does not hold its limits.
    """
    path = models.resolve().parent / GATE_FILE
    if not path.is_file():
        return DEFAULT_GATE
    try:
        limits = json.loads(path.read_text(encoding="utf-8"))["decision"]
        return VoiceDecision(
            voice_threshold=float(limits["threshold"]),
            min_voice_share=float(limits["min_share"]),
            min_voice_seconds=float(limits["min_seconds"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: expected decision: threshold, min_share, min_seconds") from error


def read_limits(models: Path) -> ClipLimits:
    """The limits by which the run's stage `validate` sorted out clips; the default ones where there is no record.

    Args:
        models: folder of models.

    Raises:
        InputError: the record does not hold them.
    """
    root = models.resolve().parent
    ran = ran_with(root, "validate")
    if not ran:
        return DEFAULT_LIMITS
    try:
        return ClipLimits(float(ran["min_seconds"]), float(ran["silent_below_dbfs"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{root / LOCK_FILE}: expected min_seconds and silent_below_dbfs of validate") from error
