"""A bundle holds all that serving needs. It can be read in any folder, and is refused if it does not fit."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deepemo
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.evaluation.confidence import Confidence
from deepemo.evaluation.other_origin import OtherOrigin
from deepemo.params import VoiceDecision
from deepemo.serving.about import CAUTIONS, describe, expectation
from deepemo.serving.bundle import ClipLimits, Part, calibration_digest, write_bundle
from deepemo.serving.confidence import Origin
from deepemo.serving.models_folder import check_parts, read_bundle, read_card
from tests.fixtures.voices import VOICE_RECORD

BUNDLE = Path("serving/bundle.json")


@pytest.fixture
def copied(made_models: Path, tmp_path: Path) -> Path:
    """A copy of the folder of models at another place, with nothing beside it."""
    return Path(shutil.copytree(made_models, tmp_path / "elsewhere" / "served"))


def changed(models: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((models / BUNDLE).read_text())
    change(content)
    (models / BUNDLE).write_text(json.dumps(content))


def test_what_is_written_is_read(made_models: Path, tmp_path: Path) -> None:
    bundle = read_bundle(made_models)
    write_bundle(tmp_path, bundle, "# Card\n")
    assert read_bundle(tmp_path) == bundle
    assert read_card(tmp_path) == "# Card\n"
    assert read_card(tmp_path / "nowhere") is None


def test_a_predictor_is_described_with_its_networks_data_figures_and_revision(made_models: Path) -> None:
    bundle = read_bundle(made_models)
    about = describe(bundle, "ensemble")
    assert about["revision"] == "0" * 40
    assert [part["name"] for part in about["parts"]] == ["shallow", "transfer"]
    assert all(len(part["weights_sha256"]) == 64 for part in about["parts"])
    assert about["figures"] == {name: bundle.figures[name] for name in ("ensemble", "chance")}
    assert about["features"]["clip_seconds"] == 3.5
    assert about["gate"]["speech"] == {"rejected": 0.01}
    assert about["calibration"]["temperature"] == 1.6
    assert about["emotions"] == list(EMOTIONS)
    assert len(about["limits"]) == len(CAUTIONS)
    assert "knows seven emotions" in about["limits"][0]
    assert describe(bundle) == about
    assert json.loads(json.dumps(about)) == about


LEFT_OUT = {"accuracy": 0.41, "uar": 0.39, "clips": 90, "corpora": 3}
OTHER = {
    "temperature": 2.5,
    "threshold": 0.35,
    "reached": False,
    "wanted_accuracy": 0.8,
    "left_out": {"coverage": 0.2, "accuracy": 0.7},
    "tested": {"north": {"coverage": 0.2, "accuracy": 0.66}},
    "tested_overall": {"coverage": 0.2, "accuracy": 0.66},
    "by_validation": {"coverage": 0.9, "accuracy": 0.44},
    "fitted_on": {"clips": 90, "sha256": "0"},
}


def _left_out(content: dict[str, Any]) -> None:
    """A bundle like that of several corpora: the ensemble and one of its models were judged on corpora left out."""
    record = content["predictors"]["ensemble"]
    record["other_origin"] = OTHER
    record["calibrated_sha256"] = calibration_digest(
        {name: Part.model_validate(part) for name, part in content["parts"].items()},
        record["parts"],
        record["weights"],
        Confidence.model_validate(record["calibration"]),
        OtherOrigin.model_validate(OTHER),
    )
    for name in ("ensemble", "transfer"):
        content["figures"].setdefault(name, {})["left_out_corpora"] = LEFT_OUT


@pytest.mark.slow
def test_recordings_are_taken_to_be_of_other_origin_where_there_is_a_confidence_for_that(
    copied: Path, speech: np.ndarray
) -> None:
    before = deepemo.Recognizer.load(copied).recognize(speech, 16_000, min_confidence=0.0)
    changed(copied, _left_out)
    bundle = read_bundle(copied)
    for origin, temperature, threshold in ((None, 2.5, 0.35), ("other", 2.5, 0.35), ("heard", 1.6, 0.0)):
        model = deepemo.Recognizer.load(copied, origin=origin).model
        assert (model.temperature, model.threshold) == (temperature, threshold)
        about = describe(bundle, origin=None if origin is None else Origin(origin))
        assert about["calibration"]["temperature"] == temperature
        assert about["origin"] == (origin or "other")
    heard = deepemo.Recognizer.load(copied, origin="heard").recognize(speech, 16_000, min_confidence=0.0)
    other = deepemo.Recognizer.load(copied).recognize(speech, 16_000, min_confidence=0.0)
    assert heard.probabilities == before.probabilities
    assert other.confidence < heard.confidence
    assert other.answer == heard.answer


def test_a_model_without_such_a_confidence_says_so(copied: Path) -> None:
    changed(copied, _left_out)
    assert deepemo.Recognizer.load(copied, "shallow").model.threshold == 0.2
    with pytest.raises(InputError, match="Bad origin 'other', expected 'heard': this model was not judged on corpora"):
        deepemo.Recognizer.load(copied, "shallow", "other")
    with pytest.raises(InputError, match=r"Bad origin 'mars', expected one of \['heard', 'other'\]"):
        deepemo.Recognizer.load(copied, origin="mars")


def test_what_to_expect_of_a_recording_of_ones_own_is_said(copied: Path) -> None:
    unknown = expectation(read_bundle(copied), "ensemble")
    assert unknown.startswith("How often it is right on recordings of other origin, as yours are, is not known (")
    changed(copied, _left_out)
    bundle = read_bundle(copied)
    said = expectation(bundle, "ensemble")
    assert "expect 41% to be named rightly (UAR 39%): the mean over 3 corpora" in said
    assert "others alone, shallow taking no part." in said
    assert said.endswith(" It is sure enough to answer for 20% of them, and 66% of these answers are right.")
    heard = expectation(bundle, "ensemble", Origin.HEARD)
    assert heard.endswith(" It is sure enough to answer for 90% of them, and 44% of these answers are right.")
    assert expectation(bundle, "transfer").endswith("by models that learned from the others alone.")
    assert "shallow was not trained without a corpus" in expectation(bundle, "shallow")
    assert deepemo.Recognizer.load(copied).expectation == said
    changed(copied, lambda content: content["figures"].update(left_out_corpora={"not_asked": "one corpus alone"}))
    assert "(one corpus alone)" in expectation(read_bundle(copied), "shallow")


@pytest.mark.slow
def test_a_moved_folder_answers_the_same_with_the_same_lineage(
    made_models: Path, copied: Path, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copied.parent)  # there is no run in this folder
    before, after = deepemo.Recognizer.load(made_models), deepemo.Recognizer.load(Path("served"))
    assert after.gate == before.gate == VoiceDecision(voice_threshold=0.3, min_voice_share=0.1, min_voice_seconds=0.4)
    assert after.limits == before.limits == ClipLimits(min_seconds=0.8, silent_below_dbfs=-60.0)
    assert after.recognize(speech, 16_000).to_dict() == before.recognize(speech, 16_000).to_dict()
    assert describe(read_bundle(copied)) == describe(read_bundle(made_models))


@pytest.mark.slow
def test_files_beside_the_folder_change_nothing(copied: Path, speech: np.ndarray) -> None:
    expected = deepemo.Recognizer.load(copied).recognize(speech, 16_000)
    about = describe(read_bundle(copied))
    (copied.parent / "metrics").mkdir()
    (copied.parent / "metrics/gate.json").write_text("{}")
    (copied.parent / "metrics/evaluate.json").write_text("{}")
    (copied.parent / "dvc.lock").write_text("stages: [")
    (copied.parent / "params.yaml").write_text("seed: none")
    assert deepemo.Recognizer.load(copied).recognize(speech, 16_000) == expected
    assert describe(read_bundle(copied)) == about


@pytest.mark.slow
def test_the_predictor_that_validation_chose_answers_by_default(copied: Path, speech: np.ndarray) -> None:
    assert deepemo.Recognizer.load(copied).recognize(speech, 16_000).model == "ensemble"
    changed(copied, lambda content: content.update(default="shallow"))
    assert deepemo.Recognizer.load(copied).recognize(speech, 16_000).model == "shallow"
    assert deepemo.Recognizer.load(copied, "transfer").recognize(speech, 16_000).model == "transfer"


def test_a_folder_without_a_bundle_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"bundle\.json: no such file, expected .*`dvc repro` makes one"):
        deepemo.Recognizer.load(tmp_path)


def test_an_unknown_predictor_is_named(made_models: Path) -> None:
    with pytest.raises(InputError, match=r"'large', expected one of \['shallow', 'transfer', 'ensemble'\]"):
        deepemo.Recognizer.load(made_models, "large")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content: content.update(format=1), "format: "),
        (lambda content: content.pop("limits"), "limits: "),
        (lambda content: content.update(further=1), "further: "),
        (lambda content: content["predictors"]["shallow"]["calibration"].update(temperature="x"), r"temperature: "),
        (lambda content: content["gate"].pop("decision"), r"gate\.decision: "),
        (lambda content: content.update(emotions=["happy"]), r"emotions: found \['happy'\]"),
        (lambda content: content["parts"].pop("shallow"), r"found no record of \['shallow'\]"),
        (lambda content: content.update(default="best"), "found no record of best"),
    ],
)
def test_a_bundle_that_does_not_fit_is_refused(
    copied: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    changed(copied, change)
    with pytest.raises(InputError, match=rf"bundle\.json: .*{says}"):
        read_bundle(copied)


@pytest.mark.parametrize("content", ["{", "[]", '"text"'])
def test_something_else_than_a_bundle_is_refused(copied: Path, content: str) -> None:
    (copied / BUNDLE).write_text(content)
    with pytest.raises(InputError, match=r"bundle\.json: .*expected the record of a finished pipeline run"):
        read_bundle(copied)


@pytest.mark.parametrize("file", ["model.weights.h5", "model.json"])
def test_networks_that_were_changed_after_their_evaluation_are_refused(copied: Path, file: str) -> None:
    path = copied / "transfer" / file
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(InputError, match=rf"transfer/{file}: found sha256 .*expected .*bundle\.json"):
        deepemo.Recognizer.load(copied)
    assert deepemo.Recognizer.load(copied, "shallow").model.name == "shallow"
    path.unlink()
    with pytest.raises(InputError, match=rf"transfer/{file}: no such file"):
        deepemo.Recognizer.load(copied)


def other_weights(content: dict[str, Any]) -> None:
    content["parts"]["shallow"]["weights_sha256"] = content["parts"]["transfer"]["weights_sha256"]


@pytest.mark.parametrize(
    "change",
    [
        other_weights,
        lambda content: content["predictors"]["ensemble"].update(weights=[0.5, 0.5]),
        lambda content: content["predictors"]["ensemble"].update(parts=["transfer", "shallow"]),
        lambda content: content["predictors"]["shallow"].update(
            calibration=content["predictors"]["ensemble"]["calibration"]
        ),
        lambda content: content["predictors"].update(
            shallow=content["predictors"]["transfer"] | {"parts": ["shallow"]}
        ),
    ],
)
def test_a_calibration_that_was_fitted_on_other_weights_is_refused(
    copied: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    changed(copied, change)
    with pytest.raises(InputError, match=r"predictors\.\w+: found a calibration .*not fitted on these networks"):
        deepemo.Recognizer.load(copied)


def test_networks_of_another_run_are_refused(copied: Path) -> None:
    bundle = read_bundle(copied)
    shutil.copytree(copied / "transfer", copied / "shallow", dirs_exist_ok=True)
    with pytest.raises(InputError, match=r"shallow/model\.weights\.h5: found sha256"):
        check_parts(copied, bundle, ["shallow"])


def _voice(content: dict[str, Any], **changes: object) -> None:
    """A record of how known voices are answered, with its digest; then further changes."""
    weights = [0.6, 0.4]
    parts = {name: Part.model_validate(part) for name, part in content["parts"].items()}
    digest = calibration_digest(parts, ["shallow", "transfer"], weights, VOICE_RECORD.calibration)
    own = {"part": "shallow", "parts": ["shallow", "transfer"], "weights": weights, "calibrated_sha256": digest}
    content["voice"] = {**VOICE_RECORD.model_dump(), **own, **changes}


def test_how_known_voices_are_answered_is_described(copied: Path) -> None:
    assert describe(read_bundle(copied))["voice"] is None
    changed(copied, _voice)
    bundle = read_bundle(copied)
    about = describe(bundle)["voice"]
    assert (about["part"], about["least_recordings"]) == ("shallow", 2)
    assert about["figures"] == VOICE_RECORD.figures
    assert describe(bundle, "shallow")["voice"] == about
    assert describe(bundle, "transfer")["voice"] is None


def test_a_network_without_weight_takes_no_references(copied: Path) -> None:
    def without_weight(content: dict[str, Any]) -> None:
        parts = {name: Part.model_validate(part) for name, part in content["parts"].items()}
        digest = calibration_digest(parts, ["transfer"], [1.0], VOICE_RECORD.calibration)
        _voice(content, parts=["transfer"], weights=[1.0], calibrated_sha256=digest)

    changed(copied, without_weight)
    assert describe(read_bundle(copied))["voice"] is None
    assert deepemo.Recognizer.load(copied).voice is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"weights": [0.4, 0.6]}, "voice: found a calibration .*not fitted on these networks"),
        ({"weights": [1.0]}, r"found other numbers of parts and weights in \['voice'\]"),
        ({"parts": ["shallow", "large"]}, r"found no record of \['large'\]"),
        ({"part": "large"}, r"found no record of \['large'\]"),
        ({"least_recordings": "few"}, r"voice\.least_recordings: "),
    ],
)
def test_a_record_of_known_voices_that_does_not_fit_is_refused(
    copied: Path, changes: dict[str, Any], says: str
) -> None:
    changed(copied, lambda content: _voice(content, **changes))
    with pytest.raises(InputError, match=rf"bundle\.json: {says}"):
        read_bundle(copied)
