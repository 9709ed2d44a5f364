"""Which stages run again after one changed param: the real dvc.yaml, run by DVC itself with stand-in commands.

The stand-in of a stage writes a digest of all its declared inputs to each of its outputs. Therefore a stage reruns here
exactly if one of its declared inputs changed, directly or through earlier stages.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from deepemo.yaml12 import read_yaml, write_yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

STAND_IN = """
import hashlib, json, pathlib, sys, yaml
name = sys.argv[1]
stage = yaml.safe_load(open("dvc.yaml"))["stages"][name]
params = yaml.safe_load(open("params.yaml"))
digest = hashlib.sha256()
for dep in stage["deps"]:
    path = pathlib.Path(dep)
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(file.read_bytes())
for key in stage.get("params", []):
    digest.update(json.dumps(params[key]).encode())
for kind in ("outs", "metrics", "plots"):
    for entry in stage.get(kind, []):
        path = pathlib.Path(entry if isinstance(entry, str) else next(iter(entry)))
        file = path if path.suffix else path / "content.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"value": digest.hexdigest()}))
"""

JUDGING = {"cross_corpus", "evaluate", "robustness"}
# The gate asks the speech model for its second opinion.
SPEECH = {"train_speech", "gate", *JUDGING}
TRAINING = {"train_shallow", "train_transfer", *SPEECH}
# The speech encoder hears recordings: no param of featurize changes what it hears.
FEATURES = {"featurize", "embed", "train_shallow", "train_transfer", *JUDGING}
EVERYTHING_JUDGED = {"split", "embed_speech", "embed_speech_views", *FEATURES, *TRAINING}

RERUNS = [
    ("featurize.sample_rate_hz", 22050, FEATURES),
    ("featurize.kind", "spectrogram", FEATURES),
    ("split.test_share", 0.2, {"split", "embed_speech_views", *TRAINING}),
    ("split.held_out_corpora", ["savee"], {"split", "embed_speech_views", *TRAINING}),
    # Clips of other emotions have no role. Stages that use all recordings do not run again.
    ("emotions", ["angry", "happy", "neutral", "sad"], {"split", "embed_speech_views", *TRAINING}),
    ("train_shallow.epochs", 3, {"train_shallow", *JUDGING}),
    ("train_shallow.augment.mixup", 0.1, {"train_shallow", *JUDGING}),
    ("embed.backbone", "inception_v3", {"embed", "train_transfer", *JUDGING}),
    ("train_transfer.hidden_units", 32, {"train_transfer", *JUDGING}),
    ("train_transfer.finetune.trainable_blocks", 1, {"train_transfer", *JUDGING}),
    ("embed_speech.level_dbfs", -20.0, {"embed_speech", "embed_speech_views", *SPEECH}),
    ("embed_speech_views.strength.speed", 0.05, {"embed_speech_views", *SPEECH}),
    ("embed_speech_views.sounds_per_kind", 0, {"embed_speech_views", *SPEECH}),
    ("train_speech.hidden_units", 64, SPEECH),
    ("cross_corpus.pairs", False, JUDGING),
    ("cross_corpus.train_on_features", True, JUDGING),
    ("evaluate.bootstrap_samples", 500, {"evaluate", "robustness"}),
    ("evaluate.wanted_accuracy", 0.7, {"evaluate", "robustness"}),
    ("robustness.clips", 50, {"robustness"}),
    ("gate.voice_threshold", 0.3, {"gate", "evaluate", "robustness"}),
    ("eda.coverage", 0.9, {"eda"}),
    ("validate.min_seconds", 0.6, {"validate", "eda", *EVERYTHING_JUDGED}),
    ("validate.min_agreement", 0.5, {"validate", "eda", *EVERYTHING_JUDGED}),
    ("download.corpora", ["ravdess"], {"download", "validate", "eda", *EVERYTHING_JUDGED}),
]


def set_param(path: Path, key: str, value: Any) -> None:
    params = read_yaml(path)
    section = params
    *parents, last = key.split(".")
    for parent in parents:
        section = section[parent]
    assert section[last] != value, f"{key} is {value!r} already"
    section[last] = value
    path.write_text(write_yaml(params))


def written_by_dvc(folder: Path) -> list[Path]:
    """params.yaml, dvc.lock, and the outputs of all stages: with their bytes back, nothing has changed."""
    stages = read_yaml(folder / "dvc.yaml")["stages"].values()
    entries = [entry for stage in stages for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])]
    outputs = [folder / (entry if isinstance(entry, str) else next(iter(entry))) for entry in entries]
    files = [path / "content.txt" if path.is_dir() else path for path in outputs]
    return [folder / "params.yaml", folder / "dvc.lock", *files]


def reproduce() -> set[str]:
    with Repo() as repo:
        return {stage.name for stage in repo.reproduce()}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the real dvc.yaml and params.yaml, stand-in commands, and one finished run."""
    folder = tmp_path_factory.mktemp("pipeline")
    config = read_yaml(ROOT / "dvc.yaml")
    config.pop("plots", None)
    (folder / "stand_in.py").write_text(STAND_IN)
    for name, stage in config["stages"].items():
        stage["cmd"] = f"{sys.executable} stand_in.py {name}"
        for dep in stage["deps"]:
            if (ROOT / dep).is_file() and dep.endswith(".py"):
                (folder / dep).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / dep, folder / dep)
            elif dep.startswith("deepemo/"):
                shutil.copytree(ROOT / dep, folder / dep, dirs_exist_ok=True)
    (folder / "dvc.yaml").write_text(write_yaml(config))
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copy(ROOT / ".dvcignore", folder)
    Repo.init(str(folder), no_scm=True).close()
    with contextlib.chdir(folder):
        assert reproduce() == set(config["stages"])
        yield folder


def test_nothing_reruns_when_nothing_changed(pipeline: Path) -> None:
    assert reproduce() == set()


@pytest.mark.parametrize(("key", "value", "expected"), RERUNS)
def test_a_changed_param_reruns_what_depends_on_it(pipeline: Path, key: str, value: Any, expected: set[str]) -> None:
    before = {path: path.read_bytes() for path in written_by_dvc(pipeline)}
    set_param(pipeline / "params.yaml", key, value)
    try:
        assert reproduce() == expected
    finally:
        for path, content in before.items():
            path.write_bytes(content)


# Stages whose inner loop is the map over clips.
CLIP_BY_CLIP = {"validate", "eda", "gate", "featurize", "embed", "embed_speech", "embed_speech_views", "robustness"}

EDITS = [
    ("deepemo/models/shallow/network.py", {"train_shallow", *JUDGING}),
    ("deepemo/models/imagenet/train.py", {"train_transfer", "cross_corpus"}),
    ("deepemo/models/imagenet/embed.py", {"embed"}),
    ("deepemo/models/speech/embed.py", {"embed_speech", "embed_speech_views"}),
    ("deepemo/models/speech/views.py", {"embed_speech_views"}),
    ("deepemo/audio/perturb/views.py", {"embed_speech_views"}),
    ("deepemo/audio/perturb/filters.py", {"embed_speech_views", "robustness"}),
    ("deepemo/audio/perturb/codecs.py", {"robustness"}),
    ("deepemo/audio/perturb/noise.py", {"gate", "embed_speech_views", "robustness"}),
    ("deepemo/evaluation/robustness.py", {"robustness"}),
    ("deepemo/models/speech/train.py", {"train_speech", "cross_corpus"}),
    ("deepemo/models/speech/opinion.py", {"train_speech", "cross_corpus"}),
    ("deepemo/vad/stimuli.py", {"gate", "embed_speech_views"}),
    ("deepemo/models/speech/front_end.py", {"embed_speech", "embed_speech_views", "gate", *JUDGING}),
    ("deepemo/audio/features.py", {"eda", "featurize", *TRAINING}),
    # From then on, the clip table holds the names and labels of a corpus.
    ("deepemo/corpora/catalogue/nemo.py", {"download", "validate"}),
    ("deepemo/corpora/manifest.py", {"download", "validate"}),
    ("deepemo/corpora/tables.py", {"download", "validate"}),
    ("deepemo/cluster.py", {*CLIP_BY_CLIP, "cross_corpus"}),
    ("deepemo/threads.py", {"download", *CLIP_BY_CLIP, "train_speech", "cross_corpus"}),
    ("deepemo/evaluation/other_corpora.py", {"cross_corpus"}),
    ("deepemo/corpora/download/rar.py", {"download"}),
    ("deepemo/training/devices.py", {"train_shallow", "train_transfer", "train_speech", "cross_corpus"}),
    # Cosmetic changes rerun no featurizing and no training.
    ("deepemo/charts/style.py", {"validate", "eda", "evaluate", "robustness"}),
    ("deepemo/charts/colours.py", {"validate", "eda", "evaluate", "robustness"}),
    ("deepemo/charts/evaluation.py", {"evaluate"}),
    ("deepemo/charts/cross_corpus.py", {"evaluate"}),
    ("deepemo/evaluation/cross_corpus.py", {"cross_corpus"}),
    ("deepemo/evaluation/pairs.py", {"cross_corpus"}),
    ("deepemo/reporting/card_pairs.py", {"evaluate"}),
    ("deepemo/evaluation/other_origin.py", {"evaluate", "robustness"}),
    ("deepemo/evaluation/groups.py", JUDGING),
    ("deepemo/eda/recommend.py", {"eda"}),
    ("deepemo/reporting/model_card.py", {"evaluate"}),
    ("deepemo/models/speech/words.py", {"evaluate"}),
    # eda draws the views that training learns from.
    ("deepemo/audio/augment.py", {"eda", "train_shallow", "train_transfer", "cross_corpus"}),
    ("deepemo/training/batches.py", {"train_shallow", "train_transfer", "train_speech", "cross_corpus"}),
    ("deepemo/serving/models_folder.py", {"robustness"}),
    ("deepemo/serving/recognizer.py", set()),
    ("deepemo/http/app.py", set()),
    ("deepemo/params.py", set()),
]


def changed_by_themselves() -> set[str]:
    """Stages one of whose own code deps has changed."""
    with Repo() as repo:
        return {
            name.rpartition(":")[2]
            for name, changes in repo.status().items()
            if any("changed deps" in change for change in changes if isinstance(change, dict))
        }


@pytest.mark.parametrize(("edited", "expected"), EDITS)
def test_an_edited_module_reruns_the_stages_that_use_it(pipeline: Path, edited: str, expected: set[str]) -> None:
    """Of the later stages, only those with a changed input would run too."""
    assert (ROOT / edited).is_file()
    module = pipeline / edited
    if not module.exists():
        assert not expected
        return
    before = module.read_bytes()
    module.write_bytes(before + b"\n# edited\n")
    try:
        assert changed_by_themselves() == expected
    finally:
        module.write_bytes(before)


def test_bytecode_reruns_nothing(pipeline: Path) -> None:
    cache = pipeline / "deepemo/corpora/catalogue/__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "ravdess.cpython-311.pyc").write_bytes(os.urandom(16))
    assert reproduce() == set()
