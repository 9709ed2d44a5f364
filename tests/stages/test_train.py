"""The stages that embed and train: what they write, and that a family must be named."""

import json
import runpy
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepemo.dataset.clips import Clip, write_clips
from deepemo.dataset.shards import read_features, read_spec
from deepemo.dataset.split import fingerprint_clips, read_split
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.models.imagenet.family import Embed, TrainTransfer
from deepemo.models.saved import load_model
from deepemo.models.shallow.family import TrainShallow
from deepemo.models.speech.family import EmbedSpeech, EmbedSpeechViews, TrainSpeech
from deepemo.params import Params
from deepemo.pipeline import load_params
from deepemo.vad.stimuli import KINDS
from stages import embed, embed_views, train

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def params() -> Params:
    """The default params, scaled down."""
    params = load_params(ROOT / "params.yaml")
    shallow = params.section("train_shallow", TrainShallow)
    transfer = params.section("train_transfer", TrainTransfer)
    short = {"epochs": 1, "batch_size": 16}
    sections = {
        "train_shallow": shallow.model_copy(update={**short, "channels": [4]}),
        "embed_speech": params.section("embed_speech", EmbedSpeech).model_copy(
            update={"taps": ["layer1", "whisper_layer1"], "clips_per_shard": 20}
        ),
        "embed_speech_views": params.section("embed_speech_views", EmbedSpeechViews).model_copy(
            update={"sounds_per_kind": 1}
        ),
        "train_speech": params.section("train_speech", TrainSpeech).model_copy(update=short),
        "embed": params.section("embed", Embed).model_copy(update={"weights": "random"}),
        "train_transfer": transfer.model_copy(
            update={**short, "finetune": transfer.finetune.model_copy(update={**short, "trainable_blocks": 1})}
        ),
    }
    return params.model_copy(update={"models": sections})


@pytest.fixture
def run(easy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the outputs of the earlier stages."""
    folder = tmp_path / "run"
    (folder / "data").mkdir(parents=True)
    shutil.move(easy / "features", folder / "data/features")
    shutil.move(easy / "split.csv", folder / "data/split.csv")
    monkeypatch.chdir(folder)
    return folder


def check_written(run: Path, family: str) -> None:
    """The network, its learning curve and its metrics, and no checkpoint."""
    model = load_model(run / "models" / family, EMOTIONS)
    split = pd.read_csv(run / "data/split.csv")
    assert model.name == family
    assert model.about["trained_on"] == fingerprint_clips(split.loc[split["role"] == "train", "clip"])
    metrics = json.loads((run / "metrics" / f"train_{family}.json").read_text())
    assert set(metrics) == {"epochs", "best_epoch", "val_loss", "val_accuracy", "val_uar"}
    curve = pd.read_csv(run / "plots" / f"learning_curve_{family}.csv")
    assert len(curve) == metrics["epochs"]
    assert not list((run / ".resume").rglob("*.npz"))


@pytest.mark.slow
def test_train_writes_a_network_its_curve_and_its_metrics(run: Path, params: Params) -> None:
    assert train.main(params, "shallow").startswith("train_shallow: {'epochs': 1, ")
    check_written(run, "shallow")


@pytest.mark.slow
def test_embed_then_train_and_fine_tune(run: Path, params: Params) -> None:
    assert embed.main(params, "transfer").startswith("embed transfer: 140 clips, ")
    about = read_spec(run / "data/embeddings/imagenet")
    assert {"features", "backbone", "weights", "band_pooling", "depths"} < set(about)
    assert train.main(params, "transfer").startswith("train_transfer: {'epochs': 2, ")
    check_written(run, "transfer")
    assert pd.read_csv(run / "plots/learning_curve_transfer.csv")["phase"].tolist() == ["head", "finetune"]


@pytest.mark.slow
def test_recordings_are_embedded_and_a_head_is_trained(run: Path, params: Params, wav: Callable[..., bytes]) -> None:
    split = read_split(run / "data/split.csv")
    write_clips(
        run / "data/clips.csv",
        [Clip(clip=clip, corpus="made", member=f"{row}.wav") for row, clip in enumerate(split["clip"])],
    )
    (run / "data/raw").mkdir()
    with zipfile.ZipFile(run / "data/raw/made.zip", "w") as archive:
        for row in range(len(split)):
            archive.writestr(f"{row}.wav", wav(0.1 * np.random.default_rng(row).normal(size=3000 + 10 * row)))
    assert embed.main(params, "speech") == "embed speech: 140 clips, 6720 values each by moonshine_tiny+whisper_tiny_en"
    about = read_spec(run / "data/embeddings/speech")
    assert (about["encoder"], about["taps"], about["shape"]) == (
        "moonshine_tiny+whisper_tiny_en",
        ["layer1", "whisper_layer1"],
        [6720],
    )
    training = int((split["role"] == "train").sum())
    assert embed_views.main(params, "speech") == (
        f"embed_speech_views: {training} training clips, 1 views of each; {len(KINDS)} sounds without speech"
    )
    assert read_spec(run / "data/embeddings/speech_views/0")["clips"] == training
    assert train.main(params, "speech").startswith("train_speech: {'epochs': 2, ")
    assert pd.read_csv(run / "plots/learning_curve_speech.csv")["phase"].tolist() == ["voice_head", "head"]
    check_written(run, "speech")
    # Serving computes the embedding of the stage, to half precision.
    model = load_model(run / "models/speech", EMOTIONS)
    for names, values in read_features(run / "data/embeddings/speech", split["clip"][:3], batch_size=8):
        for name, value in zip(names, values, strict=True):
            row = split["clip"].tolist().index(name)
            samples = 0.1 * np.random.default_rng(row).normal(size=3000 + 10 * row)
            heard = model.logits_of_clips(model.front_end(samples.astype(np.float32), 16000)[None])
            np.testing.assert_allclose(heard, model.logits(value[None]), atol=0.05)


def test_a_family_without_a_frozen_network_has_nothing_to_embed(params: Params) -> None:
    with pytest.raises(InputError, match="'shallow', expected one with a frozen network"):
        embed.main(params, "shallow")
    with pytest.raises(InputError, match="'transfer', expected one that embeds views"):
        embed_views.main(params, "transfer")


@pytest.mark.parametrize(
    ("stage", "arguments", "says"),
    [
        ("train", [], "required: family"),
        ("train", ["deep"], "invalid choice: 'deep' (choose from 'shallow', 'transfer', 'speech')"),
        ("embed", ["shallow"], "invalid choice: 'shallow' (choose from 'transfer', 'speech')"),
    ],
)
def test_the_command_must_name_a_family(
    stage: str, arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run `python -m stages.<stage>` in this process. A new one would import TensorFlow again only to refuse."""
    monkeypatch.setattr(sys, "argv", [f"stages/{stage}.py", *arguments])
    monkeypatch.delitem(sys.modules, f"stages.{stage}")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"stages.{stage}", run_name="__main__")
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
