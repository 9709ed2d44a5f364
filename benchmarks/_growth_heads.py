"""Parts of the stages that train and judge heads, whose cost grows with the clips, on made-up embeddings.

The embeddings are as wide as those of one layer of an encoder, so the heads have 576 components; they have no
segments. Each part writes and reads in the folder of a run.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from deepemo.dataset.split import TEST_UNSEEN, TRAIN, VALIDATION, voices_heard
from deepemo.emotions import EMOTIONS
from deepemo.models.speech.family import TrainSpeech
from deepemo.pipeline import load_params

EMBEDDINGS, VIEWS = Path("heads/embeddings"), Path("heads/views")
WIDTH = 576  # mean and deviation of 288 numbers
CLIPS_OF_A_SPEAKER = 100
# Of every 20 speakers.
TRAINING_SPEAKERS, VALIDATION_SPEAKERS = 14, 3
_SHARDS = 16
_DRAWN_TOGETHER = 4096
ENCODER = {"features": {}, "encoder": "moonshine_tiny", "taps": ["output"], "segments": 0, "segment_width": 0}
# Prepares a part for a number of clips, in the folder of a run, and returns its work; only the work is timed.
Prepare = Callable[[int], Callable[[], object]]


def split_of(clips: int) -> pd.DataFrame:
    """A split table: of every 20 speakers, 14 are for training, 3 for validation and 3 for the test."""
    numbers = np.arange(clips)
    speakers = numbers // CLIPS_OF_A_SPEAKER
    group = speakers % 20
    roles = np.where(
        group < TRAINING_SPEAKERS,
        TRAIN,
        np.where(group < TRAINING_SPEAKERS + VALIDATION_SPEAKERS, VALIDATION, TEST_UNSEEN),
    )
    return pd.DataFrame(
        {
            "clip": [f"made/{number:08d}" for number in numbers],
            "corpus": "made",
            "language": "en",
            "speaker": [f"made/{speaker:06d}" for speaker in speakers],
            "gender": np.where(speakers % 2, "male", "female"),
            "emotion": np.array(EMOTIONS)[numbers % len(EMOTIONS)],
            "role": roles,
        }
    )


def _embedded(table: pd.DataFrame, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Embeddings that lean towards their emotion and their speaker."""
    random = np.random.default_rng(seed)
    leaning = np.random.default_rng(0).normal(size=(len(EMOTIONS), WIDTH)).astype(np.float32)
    for start in range(0, len(table), _DRAWN_TOGETHER):
        part = table.iloc[start : start + _DRAWN_TOGETHER]
        values = random.standard_normal((len(part), WIDTH), dtype=np.float32)
        values += 0.2 * leaning[part["emotion"].map(EMOTIONS.index).to_numpy()]
        values += np.float32(0.1) * (part["speaker"].str[-2:].astype(int).to_numpy()[:, np.newaxis] % 7 - 3)
        yield from zip(part["clip"], values, strict=True)


def make_embeddings(clips: int) -> Callable[[], object]:
    """Write made-up embeddings, and one view of each training clip."""
    from deepemo.dataset.shards import write_shards
    from deepemo.models.speech.stored import VIEWS_FILE

    table = split_of(clips)

    def run() -> None:
        write_shards(EMBEDDINGS, _embedded(table, 1), shards=_SHARDS, shape=(WIDTH,), about=ENCODER)
        training = table[table["role"] == TRAIN]
        write_shards(VIEWS / "0", _embedded(training, 2), shards=_SHARDS, shape=(WIDTH,), about=ENCODER)
        (VIEWS / VIEWS_FILE).write_text(json.dumps({"views": 1, "sounds": 0}))

    return run


def train_heads(clips: int) -> Callable[[], object]:
    """Components, discriminants and one epoch of one perceptron of each kind."""
    from deepemo.models.speech.train import train_speech

    params, table = load_params(), split_of(clips)
    section = params.section("train_speech", TrainSpeech).model_copy(update={"epochs": 1, "members": 1})

    def run() -> None:
        train_speech(
            section,
            embeddings=EMBEDDINGS,
            views=VIEWS,
            split=table,
            emotions=EMOTIONS,
            seed=params.seed,
            resume=Path("heads/resume"),
        )

    return run


class _Linear:
    """Stands in for the network: its components are the first of the embedding's numbers."""

    def __init__(self, components: int) -> None:
        self._components = components
        self._kernel = np.random.default_rng(3).normal(size=(components, len(EMOTIONS))).astype(np.float32)

    def components(self, inputs: np.ndarray) -> np.ndarray:
        """Components float32 [n, components] of embeddings [n, width]."""
        return inputs[:, : self._components]

    def relative_logits(self, components: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Logits float32 [n, classes]."""
        return (components - offsets) @ self._kernel


def judge_voices(clips: int) -> Callable[[], object]:
    """Components of the clips that are judged, and all figures with references of their voices."""
    from deepemo.dataset.shards import read_features
    from deepemo.evaluation.known_voices import judge_known_voices
    from deepemo.evaluation.predictions import CLIP_COLUMNS, Predictions
    from deepemo.evaluation.references import components_of

    params, table = load_params(), split_of(clips)
    judged = table[table["role"] != TRAIN].reset_index(drop=True)
    random = np.random.default_rng(4)
    said = {name: random.dirichlet(np.ones(len(EMOTIONS)), len(judged)) for name in ("shallow", "speech")}
    predictions = Predictions(judged[list(CLIP_COLUMNS)], said, EMOTIONS).with_ensemble(dict.fromkeys(said, 0.5))
    model = _Linear(min(params.section("train_speech", TrainSpeech).components, WIDTH))

    def run() -> None:
        embeddings = read_features(EMBEDDINGS, judged["clip"], batch_size=params.evaluate.batch_size)
        judge_known_voices(
            predictions,
            "speech",
            model,  # type: ignore[arg-type]
            components_of(model, embeddings, judged["clip"]),  # type: ignore[arg-type]
            heard=voices_heard(table),
            cross_corpus={},
            wanted_accuracy=params.evaluate.wanted_accuracy,
            samples=params.evaluate.bootstrap_samples,
            seed=params.seed,
        )

    return run


HEADS_MADE = "embeddings made"
HEADS: Mapping[str, Prepare] = {
    "train_speech: heads on components": train_heads,
    "evaluate: references of voices": judge_voices,
}
