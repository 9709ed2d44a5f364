"""Parts of the stages whose cost grows with the clips, on made-up tables and stand-ins of recordings and networks.

Parts read the outputs of earlier parts, as the stages do. A recording is a few bytes that are not decoded, an embedding
is a few numbers, and the outputs of a network are drawn at random.
"""

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._growth_heads import HEADS, HEADS_MADE, Prepare, make_embeddings
from deepemo.dataset.clips import Clip, good_clips, read_clips, write_clips
from deepemo.dataset.split import TRAIN, VALIDATION, fingerprint_clips, read_split, split_clips
from deepemo.emotions import EMOTIONS
from deepemo.files import write_csv, write_json
from deepemo.pipeline import load_params

CORPUS = "made"
RECORDING_BYTES = 64
WIDTH = 16  # of an embedding
CLIPS_OF_A_SPEAKER = 100
BATCH = 256
# One in `TWIN_EVERY` recordings repeats a performance, and one in `BLANK_EVERY` is blank, whatever its label.
TWIN_EVERY, BLANK_EVERY = 50, 1000
NETWORKS = ("shallow", "transfer", "speech")

ARCHIVE, TABLE, ROLES = Path("raw") / f"{CORPUS}.zip", Path("clips.csv"), Path("split.csv")
SHARDS, SAID = Path("shards"), Path("predictions.csv")


def make_archive(clips: int) -> Callable[[], object]:
    """Write a zip of stand-ins of recordings, each with content of its own."""
    ARCHIVE.parent.mkdir(parents=True)

    def run() -> None:
        with zipfile.ZipFile(ARCHIVE, "w") as archive:
            for number in range(clips):
                archive.writestr(_member(number), number.to_bytes(RECORDING_BYTES, "big"))

    return run


def _member(number: int) -> str:
    return f"{number // CLIPS_OF_A_SPEAKER:06d}/{number % CLIPS_OF_A_SPEAKER:02d}.wav"


def made_clip(number: int) -> Clip:
    """A row of the clip table before validation's verdict."""
    speaker, take = divmod(number, CLIPS_OF_A_SPEAKER)
    blank, twin = number % BLANK_EVERY == BLANK_EVERY - 1, number % TWIN_EVERY == TWIN_EVERY - 1
    return Clip(
        clip=f"{CORPUS}/{speaker:06d}_{take:02d}",
        corpus=CORPUS,
        language="en",
        member=_member(number),
        performance=f"{CORPUS}/{speaker:06d}_{take - twin:02d}",
        speaker=f"{CORPUS}/{speaker:06d}",
        gender=("female", "male")[speaker % 2],
        emotion=EMOTIONS[number % len(EMOTIONS)],
        sentence=str(take),
        rate_hz=16000,
        channels=1,
        seconds=2.5,
        rms_dbfs=-27.5,
        peak_dbfs=-9.25,
        voice_share=0.75,
        voice_seconds=1.5,
        sha256=hashlib.sha256(b"blank" if blank else str(number).encode()).hexdigest(),
    )


def open_archive(clips: int) -> Callable[[], object]:
    """Check all members of an archive and list its recordings."""
    from deepemo.corpora.archive import Archive

    return lambda: Archive(ARCHIVE).recordings()


def read_archive(clips: int) -> Callable[[], object]:
    """Read every recording of an archive."""
    from deepemo.corpora.archive import Archive

    archive = Archive(ARCHIVE)
    members = archive.recordings()
    return lambda: sum(len(archive.read(member)) for member in members)


def judge_clips(clips: int) -> Callable[[], object]:
    """Pass verdicts on inspected recordings, and write the clip table."""
    from deepemo.dataset.inspect import Inspection
    from deepemo.dataset.validate import count_verdicts, write_quarantine
    from deepemo.dataset.verdicts import pass_verdicts

    limits = load_params().validate_

    def run() -> None:
        inspections = (Inspection(clip=made_clip(number), is_speech=True, faults={}) for number in range(clips))
        verdicts = pass_verdicts(inspections, limits)
        write_clips(TABLE, [verdict.clip for verdict in verdicts])
        write_quarantine(Path("quarantine.csv"), verdicts)
        write_json(Path("validate.json"), count_verdicts(verdicts))

    return run


def read_table(clips: int) -> Callable[[], object]:
    """Read the clip table."""
    return lambda: good_clips(read_clips(TABLE))


def split(clips: int) -> Callable[[], object]:
    """Draw the role of every clip, and write the split table."""
    params, table = load_params(), good_clips(read_clips(TABLE))
    return lambda: write_csv(ROLES, split_clips(table, params.split, emotions=params.emotions, seed=params.seed))


def check_leaks(clips: int) -> Callable[[], object]:
    """All leak checks of the evaluation."""
    from deepemo.evaluation import leakage

    roles, table = read_split(ROLES), good_clips(read_clips(TABLE))
    fingerprints = {role: fingerprint_clips(roles.loc[roles["role"] == role, "clip"]) for role in (TRAIN, VALIDATION)}

    def run() -> None:
        leakage.check_roles(roles, source=str(ROLES))
        leakage.check_content(roles, table, source=str(TABLE))
        for role, fingerprint in fingerprints.items():
            leakage.check_fitted_on(fingerprint, roles, role, source=role)

    return run


def write_small_shards(clips: int) -> Callable[[], object]:
    """Read every good recording, and write a small array of it to shards."""
    from deepemo.corpora.archive import Archive
    from deepemo.dataset.shards import shards_for, write_shards
    from deepemo.parallel import map_clips

    table, params = good_clips(read_clips(TABLE)), load_params()
    archive = Archive(ARCHIVE)

    def array(row: tuple[str, str]) -> tuple[str, np.ndarray]:
        content = archive.read(row[1])
        return row[0], np.frombuffer(content, np.uint8)[-WIDTH:].astype(np.float32)

    def run() -> None:
        rows = zip(table["clip"], table["member"], strict=True)
        arrays = map_clips(array, rows, name="growth", total=len(table), workers=1)
        count = shards_for(len(table), params.featurize.clips_per_shard)
        write_shards(SHARDS, arrays, shards=count, shape=(WIDTH,), about={})

    return run


def read_small_shards(clips: int) -> Callable[[], object]:
    """Read the arrays of all clips that are judged."""
    from deepemo.dataset.shards import read_features

    wanted = _judged()["clip"]
    return lambda: sum(len(names) for names, _ in read_features(SHARDS, wanted, batch_size=BATCH))


def _judged() -> pd.DataFrame:
    roles = read_split(ROLES)
    return roles[roles["role"] != TRAIN]


class _Drawn:
    """Stands in for a network: its logits are drawn, and favour the right class."""

    def __init__(self, labels: np.ndarray, seed: int) -> None:
        """Take the true classes [n], in the order of the clips."""
        self._labels = labels
        self._random = np.random.default_rng(seed)
        self._said = 0

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Logits float32 [n, classes] of the next n clips."""
        labels = self._labels[self._said : self._said + len(inputs)]
        self._said += len(inputs)
        drawn = self._random.normal(size=(len(inputs), len(EMOTIONS)))
        drawn[np.arange(len(labels)), labels] += 1.5
        return np.asarray(drawn, dtype=np.float32)


def predict(clips: int) -> Callable[[], object]:
    """Let stand-ins of networks predict all judged clips, and write the predictions."""
    from deepemo.evaluation.predictions import predict, write_predictions

    judged = _judged()
    labels = judged["emotion"].map(EMOTIONS.index).to_numpy()
    names = judged["clip"].tolist()

    def batches() -> Iterator[tuple[list[str], np.ndarray]]:
        for start in range(0, len(names), BATCH):
            part = names[start : start + BATCH]
            yield part, np.zeros((len(part), WIDTH), np.float32)

    def run() -> None:
        models = {name: (_Drawn(labels, seed), batches()) for seed, name in enumerate(NETWORKS)}
        write_predictions(SAID, predict(judged, models, EMOTIONS))

    return run


def read_said(clips: int) -> Callable[[], object]:
    """Read the predictions."""
    from deepemo.evaluation.predictions import read_predictions

    return lambda: read_predictions(SAID, EMOTIONS)


def fit(clips: int) -> Callable[[], object]:
    """Fit the ensemble's weights and every predictor's temperature and threshold on validation clips."""
    from deepemo.evaluation.predictions import read_predictions

    said = read_predictions(SAID, EMOTIONS)
    return lambda: _fitted(said)


def _fitted(said: Any) -> tuple[dict[str, float], Any, dict[str, Any]]:
    from deepemo.evaluation.confidence import fit_confidence
    from deepemo.evaluation.ensemble import fit_weights

    weights = fit_weights(said.where("role", VALIDATION), ())
    joined = said.with_ensemble(weights)
    validation = joined.where("role", VALIDATION)
    wanted = load_params().evaluate.wanted_accuracy
    return weights, joined, {name: fit_confidence(validation, name, wanted) for name in joined.predictors}


def bootstrap(clips: int) -> Callable[[], object]:
    """All figures of the evaluation with their intervals, and the files of them."""
    from deepemo.evaluation.files import headlines, write_details, write_plot_files
    from deepemo.evaluation.predictions import read_predictions
    from deepemo.evaluation.report import SEEN, UNSEEN, evaluate

    weights, joined, confidences = _fitted(read_predictions(SAID, EMOTIONS))
    params = load_params()

    def run() -> None:
        evaluation = evaluate(
            joined,
            confidences,
            ensemble_weights=weights,
            heard=(),
            majority_emotion=EMOTIONS[0],
            cross_corpus={"asked": 0, "reason": "not asked", "mean": {}},
            other_origins={},
            samples=params.evaluate.bootstrap_samples,
            seed=params.seed,
        )
        write_json(Path("evaluate.json"), headlines(evaluation))
        write_details(Path("details.json"), evaluation)
        write_plot_files(Path("plots"), evaluation, (SEEN, UNSEEN))

    return run


def _hashed_by_dvc(target: Path) -> Callable[[], object]:
    """Let DVC hash a file or folder of the run; it copies nothing."""
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    dvc = [sys.executable, "-m", "dvc"]
    quiet: dict[str, Any] = {"env": environment, "check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([*dvc, "init", "--no-scm", "--force", "--quiet"], **quiet)
    subprocess.run([*dvc, "config", "core.check_update", "false"], **quiet)
    return lambda: subprocess.run([*dvc, "add", "--no-commit", "--quiet", str(target)], **quiet)


def hash_archive(clips: int) -> Callable[[], object]:
    """Let DVC hash the archive."""
    return _hashed_by_dvc(ARCHIVE)


def hash_shards(clips: int) -> Callable[[], object]:
    """Let DVC hash the folder of shards."""
    return _hashed_by_dvc(SHARDS)


def nothing(clips: int) -> Callable[[], object]:
    """Imports alone."""
    return lambda: None


def tensorflow_alone(clips: int) -> Callable[[], object]:
    """Imports with TensorFlow, which all parts on shards need."""
    import deepemo.dataset.shards

    return lambda: deepemo.dataset.shards


# Not a part of a stage. It runs in a process of its own too, because the peak of a process includes its parent's size.
MADE = "recordings made"
PARTS: Mapping[str, Prepare] = {
    MADE: make_archive,
    "imports alone": nothing,
    "imports with TensorFlow": tensorflow_alone,
    "archive: open, check and list": open_archive,
    "archive: read every recording": read_archive,
    "validate: verdicts, clip table written": judge_clips,
    "clip table read": read_table,
    "split": split,
    "leak checks": check_leaks,
    "recordings read, shards written": write_small_shards,
    "shards read": read_small_shards,
    "predictions made and written": predict,
    "predictions read": read_said,
    "evaluate: weights and calibration": fit,
    "evaluate: figures by the bootstrap": bootstrap,
    "DVC hashes the archive": hash_archive,
    "DVC hashes the shards": hash_shards,
    HEADS_MADE: make_embeddings,
    **HEADS,
}
# Parts whose work is done by a process that they start.
ELSEWHERE = frozenset({"DVC hashes the archive", "DVC hashes the shards"})
