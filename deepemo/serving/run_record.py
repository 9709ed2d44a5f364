"""What dvc.lock says of a pipeline's last run: the values it ran with, which params.yaml may since have left behind."""

from pathlib import Path
from typing import Any

from deepemo.yaml12 import read_yaml

LOCK_FILE = "dvc.lock"


def ran_with(root: Path, stage: str) -> dict[str, Any]:
    """A stage's own section of params.yaml, as it was when the stage last ran.

    Args:
        root: of the pipeline.
        stage: its name, and its section's.

    Returns:
        The section; empty where there is no record of it.

    Raises:
        InputError: the lock is not YAML.
    """
    path = root / LOCK_FILE
    if not path.is_file():
        return {}
    params: Any = read_yaml(path)
    for key in ("stages", stage, "params", "params.yaml"):
        params = params.get(key) if isinstance(params, dict) else None
    if not isinstance(params, dict):
        return {}
    # DVC writes a section that is tracked whole as a mapping, and a key that is tracked alone by its dotted name.
    section = dict(params.get(stage) or {})
    section |= {key.removeprefix(f"{stage}."): value for key, value in params.items() if key.startswith(f"{stage}.")}
    return section
