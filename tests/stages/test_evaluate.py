"""The stage on a tiny made-up run: its outputs, the same again in a second run, and that leaks stop it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepemo.audio.spec import FeatureSpec
from deepemo.dataset.clips import COLUMNS, read_clips
from deepemo.dataset.shards import write_shards
from deepemo.dataset.split import fingerprint_clips
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.evaluation.cross_corpus import LeftOut, summarize, write_left_out
from deepemo.evaluation.predictions import read_predictions
from deepemo.files import write_json
from deepemo.models.imagenet.network import build_transfer
from deepemo.models.saved import save_model
from deepemo.models.shallow.network import build_shallow
from deepemo.models.speech.family import NEAR, EmbedSpeech, SpeechHeads
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.moonshine import moonshine_tiny
from deepemo.models.speech.network import build_speech
from deepemo.params import Params
from deepemo.pipeline import load_params, recorded
from deepemo.serving.about import describe
from deepemo.serving.confidence import Origin
from deepemo.serving.models_folder import check_parts, read_bundle, read_card
from deepemo.training.fit import Trained
from stages._run import stage_main
from stages.evaluate import main
from tests.conftest import NOT_ASKED

ROOT = Path(__file__).parents[2]
TINY = {"sample_rate_hz": 4000, "mel_bands": 8, "max_hz": 2000.0, "clip_seconds": 0.5}


@pytest.fixture(scope="module")
def params() -> Params:
    params = load_params(ROOT / "params.yaml")
    return params.model_copy(update={"evaluate": params.evaluate.model_copy(update={"bootstrap_samples": 100})})


@pytest.fixture(scope="module")
def before(
    tmp_path_factory: pytest.TempPathFactory, made_split: pd.DataFrame, params: Params, made_gate: dict[str, Any]
) -> Path:
    """All outputs of the earlier stages, as in a real run but small and with untrained networks."""
    root = tmp_path_factory.mktemp("before")
    for folder in ("data/raw", "metrics", "plots", "reports", "models"):
        (root / folder).mkdir(parents=True)
    made_split.to_csv(root / "data/split.csv", index=False)
    clips = made_split.drop(columns="role").assign(
        sha256=[f"{row:064x}" for row in range(len(made_split))], verdict="good", sentence="dogs"
    )
    clips.reindex(columns=list(COLUMNS), fill_value="").to_csv(root / "data/clips.csv", index=False)
    spec = FeatureSpec.from_params(params.featurize.model_copy(update=TINY))
    random = np.random.default_rng(1)
    shape = (spec.frames, spec.bands)
    arrays = ((clip, random.random(shape, dtype=np.float32)) for clip in made_split["clip"])
    write_shards(root / "data/features", arrays, shards=3, shape=shape, about={"features": spec.to_dict()})
    train = made_split.loc[made_split["role"] == "train", "clip"]
    built = {
        "shallow": {"channels": [4], "band_pooling": 1, "dropout": 0.0},
        "transfer": {
            "backbone": "efficientnet_lite0",
            "band_pooling": 1,
            "depths": [0.2],
            "hidden_units": 0,
            "dropout": 0.0,
        },
    }
    networks = {
        "shallow": build_shallow(frames=spec.frames, bands=spec.bands, classes=7, **built["shallow"]),
        "transfer": build_transfer(
            frames=spec.frames, bands=spec.bands, weights="random", classes=7, **built["transfer"]
        )[0],
    }
    heads = SpeechHeads(
        components=4,
        members=1,
        perceptron_components=4,
        discriminant_share=0.5,
        discriminant_distances=[1.5, 2.5],
        hidden_units=0,
        dropout=0.0,
        segment_components=4,
        attention_members=0,
        attention_units=4,
    )
    networks["speech"] = build_speech(moonshine_tiny(), heads, taps=["stem"], classes=7)
    built["speech"] = {
        "encoder": "moonshine_tiny",
        "taps": ["stem"],
        "segments": 0,
        **heads.model_dump(),
        NEAR: [0.1, 0.3],
    }
    width = networks["speech"].get_layer("components").input_shape[-1]
    embeddings = ((clip, random.random(width, dtype=np.float32)) for clip in made_split["clip"])
    front_end = SpeechFrontEnd(params.section("embed_speech", EmbedSpeech)).describe()
    write_shards(root / "data/embeddings/speech", embeddings, shards=3, shape=(width,), about={"features": front_end})
    fed = {"shallow": spec.to_dict(), "transfer": spec.to_dict(), "speech": front_end}
    for name, settings in built.items():
        trained = Trained(network=networks[name], settings=settings, features=fed[name], history=[])
        save_model(
            root / "models" / name, trained, kind=name, emotions=EMOTIONS, trained_on=fingerprint_clips(train), seed=1
        )
        history = pd.DataFrame({"epoch": [1, 2], "loss": [2, 1], "val_loss": [2, 1], "accuracy": [0.1, 0.2]})
        history.assign(val_accuracy=0.2, val_uar=0.2).to_csv(root / f"plots/learning_curve_{name}.csv", index=False)
    write_json(root / "metrics/cross_corpus.json", NOT_ASKED)
    write_json(
        root / "metrics/cross_corpus_pairs.json", {"asked": 0, "reason": "the models learn from one corpus alone"}
    )
    write_left_out(root / "data/cross_corpus.csv", [], EMOTIONS)
    about = {"corpus": "north", "title": "North", "citation": "A. Author."}
    (root / "data/raw/north.json").write_text(json.dumps(about))
    (root / "metrics/gate.json").write_text(json.dumps(made_gate))
    return root


@pytest.fixture
def run(before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that to run in."""
    shutil.copytree(before, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _outputs(folder: Path) -> dict[str, bytes]:
    files = [file for name in ("metrics", "plots", "reports", "models/serving") for file in (folder / name).rglob("*")]
    files.append(folder / "data/predictions.csv")
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files if file.is_file()}


@pytest.mark.slow
def test_writes_everything_and_the_same_again(
    run: Path, params: Params, made_split: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = main(params)
    assert said.startswith("evaluate: ")
    first = _outputs(run)
    assert {"metrics/evaluate.json", "metrics/evaluate_details.json", "reports/model_card.md"} <= set(first)
    assert "speech rejected" in first["reports/model_card.md"].decode()
    assert {"models/serving/bundle.json", "data/predictions.csv", "plots/class_recall.csv"} <= set(first)
    assert {
        f"plots/confusion/{name}_unseen_speakers.csv" for name in ("shallow", "transfer", "speech", "ensemble")
    } <= set(first)
    assert {f"plots/evaluate/{name}.png" for name in ("learning_curves", "confusion_ensemble", "gap")} <= set(first)
    content = json.loads(first["metrics/evaluate.json"])
    for predictor in ("shallow", "transfer", "speech", "ensemble"):
        for role, split_role in (("seen_speakers", "test_seen"), ("unseen_speakers", "test_unseen")):
            assert set(content[predictor][role]) == {"accuracy", "uar", "macro_f1", "clips"}
            assert content[predictor][role]["clips"] == (made_split["role"] == split_role).sum()
    predictions = read_predictions(run / "data/predictions.csv", EMOTIONS)
    assert set(predictions.clips["clip"]) == set(made_split.query("role != 'train'")["clip"])
    weights = json.loads(first["metrics/evaluate_details.json"])["ensemble_weights"]
    assert sum(weights.values()) == pytest.approx(1)
    joined = sum(weight * predictions.probabilities[name] for name, weight in weights.items())
    assert predictions.probabilities["ensemble"] == pytest.approx(joined, rel=1e-4)
    monkeypatch.setattr("stages.evaluate.draw_all", lambda *_: None)  # the tests of charts check its bytes
    main(params)
    assert _outputs(run) == first


@pytest.mark.slow
def test_the_bundle_is_what_metrics_and_card_say(run: Path, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.evaluate.draw_all", lambda *_: None)
    monkeypatch.setattr("stages.evaluate.git_revision", lambda _: "a" * 40)
    main(params)
    bundle = read_bundle(run / "models")
    card = (run / "reports/model_card.md").read_text()
    assert read_card(run / "models") == card
    assert f"is {bundle.revision}." in card
    assert bundle.revision == "a" * 40
    assert bundle.figures == json.loads((run / "metrics/evaluate.json").read_text())
    assert bundle.gate.model_dump() == json.loads((run / "metrics/gate.json").read_text())
    assert bundle.params == recorded(params)
    assert bundle.limits.min_seconds == params.validate_.min_seconds
    details = json.loads((run / "metrics/evaluate_details.json").read_text())
    joined = {name: weight for name, weight in details["ensemble_weights"].items() if weight}
    assert {
        name: dict(zip(record.parts, record.weights, strict=True)) for name, record in bundle.predictors.items()
    } == {"shallow": {"shallow": 1.0}, "transfer": {"transfer": 1.0}, "speech": {"speech": 1.0}, "ensemble": joined}
    assert bundle.default == details["chosen_on_validation"]
    for name, record in bundle.predictors.items():
        assert record.calibration.temperature == pytest.approx(details["confidence"][name]["temperature"], abs=1e-4)
    check_parts(run / "models", bundle, bundle.parts)
    assert [corpus.name for corpus in bundle.corpora] == ["north", "south"]
    assert bundle.corpora[0].title == "North"
    assert set(bundle.clips) == {"contents", "train", "validation", "test_seen", "test_unseen"}
    assert bundle.clips["train"] == bundle.parts["shallow"].trained_on


@pytest.mark.slow
def test_one_corpus_alone_is_said_to_leave_the_question_open(
    run: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.evaluate.draw_all", lambda *_: None)
    main(params)
    figures = json.loads((run / "metrics/evaluate.json").read_text())
    assert figures["left_out_corpora"] == {"not_asked": NOT_ASKED["reason"]}
    assert NOT_ASKED["reason"][1:] in (run / "reports/model_card.md").read_text()
    bundle = read_bundle(run / "models")
    assert all(record.other_origin is None for record in bundle.predictors.values())
    about = describe(bundle)
    assert about["origin"] == "heard"
    assert about["calibration"] == bundle.predictors[bundle.default].calibration.model_dump()
    assert NOT_ASKED["reason"] in about["expectation"]
    with pytest.raises(InputError, match="Bad origin 'other', expected 'heard'"):
        describe(bundle, origin=Origin.OTHER)


@pytest.mark.slow
def test_corpora_never_heard_stand_beside_voices_never_heard_everywhere(
    run: Path, params: Params, made_left_out: list[LeftOut], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.evaluate.draw_all", lambda *_: None)
    summary = summarize(made_left_out, {}, ["shallow", "transfer"], samples=100, seed=1)
    write_json(run / "metrics/cross_corpus.json", summary)
    write_left_out(run / "data/cross_corpus.csv", made_left_out, EMOTIONS)
    main(params)
    figures = json.loads((run / "metrics/evaluate.json").read_text())
    assert "left_out_corpora" not in figures["speech"]
    bundle = read_bundle(run / "models")
    card = (run / "reports/model_card.md").read_text()
    for predictor in ("shallow", "transfer", "ensemble"):
        mean = summary["mean"][predictor]
        expected = {"accuracy": mean["accuracy"], "uar": mean["uar"], "clips": 500, "corpora": 3}
        assert figures[predictor]["left_out_corpora"] == expected
        assert f"{100 * mean['accuracy']:.1f} % / {100 * mean['uar']:.1f} % |" in card
        assert describe(bundle, predictor)["figures"][predictor]["left_out_corpora"] == expected
        assert f"{mean['accuracy']:.0%}" in describe(bundle, predictor)["expectation"]
    # A threshold for other origin is fitted on predictions for corpora that the models never heard.
    details = json.loads((run / "metrics/evaluate_details.json").read_text())["other_origin"]
    about = describe(bundle, "shallow")
    assert (about["origin"], details["shallow"]["reached"]) == ("other", True)
    assert about["calibration"]["threshold"] == pytest.approx(details["shallow"]["threshold"], abs=1e-4)
    assert about["calibrations"]["heard"] == describe(bundle, "shallow", Origin.HEARD)["calibration"]
    assert (describe(bundle, "transfer")["origin"], details["transfer"]["reached"]) == ("other", False)
    assert (describe(bundle, "speech")["origin"], describe(bundle, "speech")["calibrations"]["other"]) == (
        "heard",
        None,
    )
    assert "was not trained without a corpus" in describe(bundle, "speech")["expectation"]
    assert "speech took no part in it" in card or "speech" not in bundle.predictors["ensemble"].parts


@pytest.mark.slow
def test_other_contents_have_another_fingerprint(run: Path, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.evaluate.draw_all", lambda *_: None)
    main(params)
    before = read_bundle(run / "models").clips
    clips = read_clips(run / "data/clips.csv")
    clips.loc[0, "sha256"] = "f" * 64
    clips.to_csv(run / "data/clips.csv", index=False)
    main(params)
    after = read_bundle(run / "models").clips
    assert after.pop("contents") != before.pop("contents")
    assert after == before


def _same_content(run: Path) -> None:
    clips = read_clips(run / "data/clips.csv")
    clips.loc[clips["clip"] == "north/00_angry_0", "sha256"] = clips.loc[
        clips["clip"] == "north/05_sad_9", "sha256"
    ].item()
    clips.to_csv(run / "data/clips.csv", index=False)


def _two_roles(run: Path) -> None:
    split = pd.read_csv(run / "data/split.csv", dtype=str)
    again = split[split["role"] == "test_seen"].head(1).assign(role="train")
    pd.concat([split, again]).to_csv(run / "data/split.csv", index=False)


def _heard_speaker(run: Path) -> None:
    split = pd.read_csv(run / "data/split.csv", dtype=str)
    split.loc[split["clip"] == "north/00_angry_0", "role"] = "train"
    split.to_csv(run / "data/split.csv", index=False)


def _other_split(run: Path) -> None:
    split = pd.read_csv(run / "data/split.csv", dtype=str)
    learned = split["role"].eq("train").idxmax()
    split.loc[learned, "role"] = "test_seen"  # the models have learned from it
    split.to_csv(run / "data/split.csv", index=False)


def _other_encoder(run: Path) -> None:
    spec = run / "data/embeddings/speech/spec.json"
    write_json(spec, {**json.loads(spec.read_text()), "encoder": "other.onnx"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plant", "says"),
    [
        (_other_encoder, "models/speech/model.json: encoder: found moonshine_tiny, expected other.onnx as in data/emb"),
        (_heard_speaker, "speaker north/00 in test_unseen and in train"),
        (_same_content, "the same content in two roles: north/00_angry_0 (test_unseen) = north/05_sad_9 (train)"),
        (_two_roles, "north/04_angry_0 listed"),
        (_other_split, "models/shallow/model.json: fitted on"),
    ],
)
def test_a_leak_or_a_mixture_stops_it_with_a_clear_error(
    run: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    params: Params,
    plant: Callable[[Path], None],
    says: str,
) -> None:
    plant(run)
    monkeypatch.setattr("stages._run.load_params", lambda: params)
    with pytest.raises(SystemExit) as stopped:
        stage_main(main)
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert says in error
    assert not (run / "metrics/evaluate.json").exists()
