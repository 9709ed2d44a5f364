"""What answers, and where it comes from: from a served answer back to data, parameters and revision."""

import hashlib
import json
import os
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from deepemo.corpora.registry import CORPORA
from deepemo.emotions import EMOTIONS
from deepemo.models.storage import ABOUT_FILE, WEIGHTS_FILE
from deepemo.serving.calibrated import CALIBRATION_FILE, GATE_FILE, PARTS
from deepemo.serving.run_record import ran_with

REVISION_VARIABLE = "DEEPEMO_REVISION"

LIMITS = (
    "It hears how speech sounds, not what is said, and knows seven emotions played by actors; real feelings are "
    "mixed, quieter, and often none of the seven.",
    "Voices, languages, ages, rooms and microphones unlike those it learned from are understood worse; the figure for "
    "speakers never heard in training is the one to expect.",
    "A probability says how often such answers were right on validation clips, not how strong a feeling is.",
    "It is not fit to judge people: not for hiring, policing, schools, insurance, health or any decision about "
    "somebody. In the European Union, inferring emotions at work and in education is prohibited (AI Act, article 5).",
)


def describe(models: Path, name: str) -> dict[str, Any]:
    """Describe a model that can be loaded.

    Args:
        models: folder of models; it lies in the root of the pipeline, whose records are used where there are some.
        name: `shallow`, `transfer` or `ensemble`.
    """
    root = models.resolve().parent
    calibration = _read_json(models / CALIBRATION_FILE).get(name, {})
    parts = [_part(models / part) for part in PARTS[name]]
    return {
        "model": name,
        "version": _package_version(),
        "revision": _revision(root),
        "emotions": list(EMOTIONS),
        "parts": parts,
        "features": _read_json(models / parts[0]["name"] / ABOUT_FILE)["features"],
        "calibration": calibration,
        "gate": _read_json(root / GATE_FILE),
        "corpora": _corpora(root),
        "figures": _figures(root, name),
        "limits": list(LIMITS),
    }


def model_card(models: Path) -> str | None:
    """The model card that `evaluate` wrote, if there is one."""
    path = models.resolve().parent / "reports" / "model_card.md"
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _part(folder: Path) -> dict[str, Any]:
    about = _read_json(folder / ABOUT_FILE)
    with (folder / WEIGHTS_FILE).open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()
    return {
        "name": folder.name,
        "kind": about.get("kind"),
        "settings": about.get("settings"),
        "parameters": about.get("parameters"),
        "weights_sha256": digest,
        "trained_on": about.get("trained_on"),
        "seed": about.get("seed"),
    }


def _corpora(root: Path) -> list[dict[str, Any]]:
    """The corpora that the pipeline's last run used."""
    return [
        {"name": name, "title": corpus.title, "language": corpus.language, "licence": corpus.licence}
        for name in ran_with(root, "download").get("corpora", [])
        if (corpus := CORPORA.get(name))
    ]


def _figures(root: Path, name: str) -> dict[str, Any]:
    """The model's figures by test role, with those of chance and of always naming the most frequent emotion."""
    content = _read_json(root / "metrics" / "evaluate.json")
    return {key: content[key] for key in (name, "chance", "majority") if key in content}


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _package_version() -> str | None:
    try:
        return version("deepemo")
    except PackageNotFoundError:
        return None


def _revision(root: Path) -> str | None:
    """Git revision of the pipeline, marked where files differ from it; an image without git names it by a variable."""
    if named := os.environ.get(REVISION_VARIABLE):
        return named
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
