"""Stage `train_shallow`: the shallow CNN."""

import json
from pathlib import Path

from deepemo.audio.spectrogram import FeatureSpec
from deepemo.dataset.fingerprint import fingerprint_clips
from deepemo.dataset.shards import read_spec
from deepemo.dataset.split import TRAIN, read_split
from deepemo.models.shallow.train import train_shallow
from deepemo.models.storage import SHALLOW, save_classifier
from deepemo.params import Params
from deepemo.training.fit import summary, write_history
from deepemo.training.loop import seed_everything
from stages._run import stage_main


def main(params: Params) -> str:
    """Write models/shallow, its learning curve and its metrics."""
    seed_everything(params.seed)
    features = Path("data/features")
    split = read_split(Path("data/split.csv"))
    trained = train_shallow(
        params.train_shallow.model_dump(),
        features=features,
        split=split,
        seed=params.seed,
        resume=Path(".resume/shallow"),
    )
    save_classifier(
        Path("models/shallow"),
        trained.network,
        kind=SHALLOW,
        settings=trained.settings,
        spec=FeatureSpec.from_dict(read_spec(features)["features"]),
        trained_on=dict(fingerprint_clips(split.loc[split["role"] == TRAIN, "clip"])),
        seed=params.seed,
    )
    write_history(Path("plots/learning_curve_shallow.csv"), trained.history)
    metrics = summary(trained.history)
    Path("metrics/train_shallow.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    return f"train_shallow: {metrics}"


if __name__ == "__main__":
    stage_main(main)
