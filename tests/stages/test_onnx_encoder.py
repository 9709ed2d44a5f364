"""A user's own ONNX encoder in all stages: embedded, perturbed, trained, judged, served, and never mixed up."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from deepemo.dataset.clips import Clip, write_clips
from deepemo.dataset.shards import read_features, read_spec
from deepemo.dataset.split import read_split
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.models.registry import load_family
from deepemo.models.saved import check_fed, load_model
from deepemo.models.speech.family import EmbedSpeech, EmbedSpeechViews, TrainSpeech
from deepemo.models.speech.stored import MADE_BY
from deepemo.params import Params
from deepemo.pipeline import load_params
from deepemo.serving import cli
from deepemo.serving.export import export
from deepemo.serving.predictor import Predictor
from deepemo.vad.stimuli import KINDS
from stages import embed, embed_views, train
from tests.fixtures.models import write_bundle_of
from tests.fixtures.onnx_encoder import EARLY, LATE, SmallEncoder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EMBEDDINGS = Path("data/embeddings/speech")
SEGMENTS = 4
WIDTH = (2 + SEGMENTS) * EARLY + LATE


@pytest.fixture(scope="module")
def params() -> Params:
    """The default params with another encoder, scaled down."""
    params = load_params(ROOT / "params.yaml")
    small = {"encoder": "encoders/mine.onnx", "taps": ["early", "pooled"], "segments": SEGMENTS, "clips_per_shard": 20}
    short = {"epochs": 1, "batch_size": 16, "members": 1}
    sections = {
        "embed_speech": params.section("embed_speech", EmbedSpeech).model_copy(update=small),
        "embed_speech_views": params.section("embed_speech_views", EmbedSpeechViews).model_copy(
            update={"sounds_per_kind": 1}
        ),
        "train_speech": params.section("train_speech", TrainSpeech).model_copy(update=short),
    }
    return params.model_copy(update={"models": sections})


def samples_of(row: int) -> np.ndarray:
    """A clip of noise, float32 [samples] at 16 kHz; each is of another length and colour."""
    noise = np.random.default_rng(row).normal(size=3000 + 10 * row)
    return (0.1 * np.convolve(noise, np.ones(1 + row % 7), "same")).astype(np.float32)


@pytest.fixture
def run(easy: Path, tmp_path: Path, wav: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the outputs of the earlier stages, and an encoder that dvc.yaml names."""
    folder = tmp_path / "run"
    (folder / "data/raw").mkdir(parents=True)
    shutil.move(easy / "split.csv", folder / "data/split.csv")
    split = read_split(folder / "data/split.csv")
    rows = [Clip(clip=clip, corpus="made", member=f"{row}.wav") for row, clip in enumerate(split["clip"])]
    write_clips(folder / "data/clips.csv", rows)
    with zipfile.ZipFile(folder / "data/raw/made.zip", "w") as archive:
        for row in range(len(split)):
            archive.writestr(f"{row}.wav", wav(samples_of(row)))
    SmallEncoder().write(folder / "encoders/mine.onnx")
    (folder / "dvc.yaml").write_text("stages:\n  embed_speech:\n    deps: [data/raw, encoders/mine.onnx]\n")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def trained(run: Path, params: Params) -> Path:
    """The same after embedding and training."""
    assert embed.main(params, "speech") == f"embed speech: 140 clips, {WIDTH} values each by encoders/mine.onnx"
    assert embed_views.main(params, "speech").endswith(f" 1 views of each; {len(KINDS)} sounds without speech")
    assert train.main(params, "speech").startswith("train_speech: {'epochs': 2, ")
    return run


def test_from_recordings_to_answers_and_what_is_heard_is_what_was_embedded(trained: Path) -> None:
    spec, views = read_spec(EMBEDDINGS), read_spec(Path("data/embeddings/speech_views/0"))
    assert (spec["encoder"], spec["taps"], spec["shape"]) == ("mine.onnx", ["early", "pooled"], [WIDTH])
    assert (spec["segments"], spec["segment_width"]) == (SEGMENTS, EARLY), "what is pooled already has no segments"
    assert {name: views[name] for name in MADE_BY} == {name: spec[name] for name in MADE_BY}
    settings = json.loads((trained / "models/speech/model.json").read_text())["settings"]
    assert (settings["encoder"], settings["encoder_sha256"]) == ("mine.onnx", spec["encoder_sha256"])
    # Nothing outside of models/ is needed to answer, in whatever folder it is.
    clips = read_split(trained / "data/split.csv")["clip"]
    stored = {
        name: value
        for names, values in read_features(EMBEDDINGS, clips[:9], batch_size=8)
        for name, value in zip(names, values, strict=True)
    }
    shutil.move(trained / "models", trained.parent / "moved")
    shutil.rmtree(trained / "encoders")
    shutil.rmtree(trained / "data")
    model = load_model(trained.parent / "moved/speech", EMOTIONS)
    rows = [clips.tolist().index(name) for name in stored]
    heard = np.stack([model.front_end(samples_of(row), 16000) for row in rows])
    values = np.stack(list(stored.values()))
    np.testing.assert_allclose(model.logits_of_clips(heard), model.logits(values), atol=0.05)
    components = model.components_of_clips(heard)
    np.testing.assert_allclose(components, model.components(values), atol=0.05)
    assert np.abs(components[0] - components[1]).max() > 0.2
    # The encoder hears clips one by one; only the projection's last bits may depend on the batch.
    np.testing.assert_allclose(model.components_of_clips(heard[3:4])[0], components[3], rtol=0, atol=1e-5)


def test_a_command_answers_by_the_bundle_and_an_export_is_refused(
    trained: Path, wav: Callable[..., bytes], tmp_path: Path
) -> None:
    write_bundle_of(trained / "models", "speech")
    moved = trained.parent / "moved"
    shutil.move(trained / "models", moved)
    (tmp_path / "a.wav").write_bytes(wav(np.concatenate([samples_of(row) for row in range(10)])))
    asked = ["predict", str(tmp_path / "a.wav"), "--models", str(moved), "--json"]
    answered = CliRunner().invoke(cli.app, asked)
    assert answered.exit_code == 0, answered.output
    assert set(json.loads(answered.stdout)["probabilities"]) == set(EMOTIONS)
    with pytest.raises(InputError, match=r"speech: found an encoder from mine\.onnx, which cannot be part of an exp"):
        export(Predictor.load(moved, "speech"), tmp_path / "exports", "tflite")
    assert not (tmp_path / "exports").exists()
    # Another encoder in its place is not run.
    SmallEncoder(seed=1).write(moved / "speech/encoder.onnx")
    refused = CliRunner().invoke(cli.app, asked)
    assert refused.exit_code != 0
    assert "not the encoder of what lies beside it" in refused.output
    assert "Traceback" not in refused.output


def test_another_file_is_another_encoder_everywhere(trained: Path, params: Params) -> None:
    before = {path: path.read_bytes() for path in EMBEDDINGS.rglob("*") if path.is_file()}
    about = json.loads((trained / "models/speech/model.json").read_text())
    source = "models/speech/model.json"
    check_fed(about, read_spec(EMBEDDINGS), source=source, shards=EMBEDDINGS)

    # A changed file changes nothing until the stage runs again.
    SmallEncoder(seed=1).write(trained / "encoders/mine.onnx")
    embed_views.main(params, "speech")
    train.main(params, "speech")
    assert {path: path.read_bytes() for path in before} == before
    assert json.loads((trained / "models/speech/model.json").read_text()) == about

    embed.main(params, "speech")
    assert (EMBEDDINGS / "encoder.onnx").read_bytes() == (trained / "encoders/mine.onnx").read_bytes()
    with pytest.raises(InputError, match=r"encoder_sha256: found .* expected .* as in data/embeddings/speech: the net"):
        check_fed(about, read_spec(EMBEDDINGS), source=source, shards=EMBEDDINGS)
    with pytest.raises(InputError, match=r"speech_views/0: encoder_sha256: found .*; run embed_speech_views again"):
        train.main(params, "speech")
    embed_views.main(params, "speech")
    shutil.copy(trained / "models/speech/encoder.onnx", EMBEDDINGS / "encoder.onnx")
    with pytest.raises(InputError, match=r"embeddings/speech/encoder\.onnx: found sha256 .* not the encoder"):
        train.main(params, "speech")


def test_a_file_that_dvc_does_not_watch_is_not_embedded_with(run: Path, params: Params) -> None:
    (run / "dvc.yaml").write_text("stages:\n  embed_speech:\n    deps: [data/raw]\n")
    with pytest.raises(InputError, match=r"dvc\.yaml: .* add `encoders/mine\.onnx` to the list"):
        embed.main(params, "speech")
    assert not EMBEDDINGS.exists()


def test_the_taps_of_the_built_in_encoder_are_not_those_of_a_file(run: Path, params: Params) -> None:
    section = params.section("embed_speech", EmbedSpeech).model_copy(update={"taps": ["stem", "layer1"]})
    with pytest.raises(InputError, match=r"taps: found no output \['stem', 'layer1'\], expected some of \['early'"):
        embed.main(params.model_copy(update={"models": {**params.models, "embed_speech": section}}), "speech")


def test_the_card_names_the_file_and_that_its_licence_is_its_own(trained: Path, params: Params) -> None:
    about = json.loads((trained / "models/speech/model.json").read_text())
    text = " ".join(load_family("speech").describe(about, params).split())
    digest = about["settings"]["encoder_sha256"]
    assert text.startswith(f"`mine.onnx`, an ONNX file that whoever ran the pipeline brought (sha256 `{digest}`)")
    assert "licence of its own" in text
    assert "2 of its layers" in text
    assert "English" not in text
