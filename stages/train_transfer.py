"""Stage `train_transfer`: a head on the ImageNet backbone's embeddings, and fine-tuning if wanted."""

import json
from pathlib import Path

from deepemo.audio.spectrogram import FeatureSpec
from deepemo.dataset.fingerprint import fingerprint_clips
from deepemo.dataset.shards import read_spec
from deepemo.dataset.split import TRAIN, read_split
from deepemo.models.imagenet.train import train_transfer
from deepemo.models.storage import TRANSFER, save_classifier
from deepemo.params import Params
from deepemo.training.fit import summary, write_history
from deepemo.training.loop import seed_everything
from stages._run import stage_main


def main(params: Params) -> str:
    """Write models/transfer, its learning curve and its metrics."""
    seed_everything(params.seed)
    embeddings = Path("data/embeddings")
    split = read_split(Path("data/split.csv"))
    trained = train_transfer(
        params.train_transfer.model_dump(),
        features=Path("data/features"),
        embeddings=embeddings,
        split=split,
        seed=params.seed,
        resume=Path(".resume/transfer"),
    )
    save_classifier(
        Path("models/transfer"),
        trained.network,
        kind=TRANSFER,
        settings=trained.settings,
        spec=FeatureSpec.from_dict(read_spec(embeddings)["features"]),
        trained_on=dict(fingerprint_clips(split.loc[split["role"] == TRAIN, "clip"])),
        seed=params.seed,
    )
    write_history(Path("plots/learning_curve_transfer.csv"), trained.history)
    metrics = summary(trained.history)
    Path("metrics/train_transfer.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    return f"train_transfer: {metrics}"


if __name__ == "__main__":
    stage_main(main)
