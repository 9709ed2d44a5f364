"""Train the head of the family `speech` on the embeddings that its frozen encoder made."""

from pathlib import Path

import pandas as pd

from deepemo.dataset.shards import read_features, read_spec
from deepemo.dataset.split import TRAIN
from deepemo.models.speech.family import TrainSpeech
from deepemo.models.speech.moonshine_weights import load_encoder
from deepemo.models.speech.network import build_speech
from deepemo.training.fit import Trained, fit


def train_speech(section: TrainSpeech, *, embeddings: Path, split: pd.DataFrame, seed: int, resume: Path) -> Trained:
    """Train the head.

    Args:
        section: the head, and how it learns.
        embeddings: folder of the embeddings' shards, which say how they were made.
        split: the split table.
        seed: of order.
        resume: folder for checkpoints.

    Returns:
        The whole network, from samples to logits.
    """
    made_by = read_spec(embeddings)
    settings = {"taps": made_by["taps"], **section.model_dump(include={"hidden_units", "dropout"})}
    network = build_speech(load_encoder(made_by["encoder"]), **settings)
    head = network.get_layer("head")
    training = split.loc[split["role"] == TRAIN, "clip"]
    batches = read_features(embeddings, training, batch_size=section.batch_size)
    head.get_layer("standardisation").adapt(values for _, values in batches)
    history = fit(
        head,
        section,
        label_smoothing=section.label_smoothing,
        folder=embeddings,
        split=split,
        seed=seed,
        resume=resume,
    )
    return Trained(
        network=network,
        settings={"encoder": made_by["encoder"], **settings},
        features=made_by["features"],
        history=history,
    )
