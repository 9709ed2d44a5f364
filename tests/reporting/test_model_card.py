"""The card gives the measured figures and the necessary warnings, and says nothing about the machine."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepemo.charts.evaluation import draw_all
from deepemo.emotions import EMOTIONS, Emotions
from deepemo.evaluation.agreement import score_by_agreement
from deepemo.evaluation.known_voices import KnownVoices
from deepemo.evaluation.predictions import Predictions
from deepemo.evaluation.report import SEEN, UNSEEN, Evaluation
from deepemo.models.registry import load_family
from deepemo.params import Params, VoiceDecision
from deepemo.pipeline import load_params
from deepemo.reporting.card_data import repeated_sentences
from deepemo.reporting.card_figures import known_voices
from deepemo.reporting.model_card import CardInputs, write_card
from deepemo.vad.error_rates import ErrorRates, summarize
from tests.fixtures.pairs import Pairs

ROOT = Path(__file__).parents[2]


def _error_rates(trials: list[tuple[bool, dict[str, str]]]) -> ErrorRates:
    rates = ErrorRates()
    for wrong, labels in trials:
        rates.add(labels, wrong=wrong, first_wrong=False)
    return rates


def _measured_gate(*, with_recordings: bool) -> dict[str, Any]:
    """Four angry clips of 200 are rejected under noise; a saw of 50 recordings and two of 400 sounds are accepted."""
    people = {"emotion": "sad", "gender": "male", "corpus": "north"}
    speech = [
        (condition == "white_noise_0_db" and number < 4, {**people, "emotion": emotion, "condition": condition})
        for condition in ("as_recorded", "white_noise_0_db")
        for number in range(200)
        for emotion in ["angry" if number < 100 else "sad"]
    ]
    recordings = [(n == 0, {"class": "saw" if n < 5 else "rain", "condition": "as_recorded"}) for n in range(50)]
    made = [(n < 2, {"kind": "hum" if n < 200 else "white_noise", "condition": "level_-20_dbfs"}) for n in range(400)]
    gate = VoiceDecision(voice_threshold=0.25, min_voice_share=0.02, min_voice_seconds=0.48)
    return summarize(
        gate, _error_rates(speech), _error_rates(recordings) if with_recordings else None, _error_rates(made)
    )


@pytest.fixture(scope="module")
def inputs(made_evaluation: Evaluation, made_split: pd.DataFrame, made_pairs: Callable[..., Pairs]) -> CardInputs:
    clips = made_split.drop(columns="role").assign(sentence="dogs", verdict="good", reason="")
    silent = clips.iloc[[0]].assign(clip="north/silent", verdict="quarantined", reason="silent")
    params = load_params(ROOT / "params.yaml")
    download = params.download.model_copy(update={"source_dir": "/somewhere/on/a/disk"})
    gate = params.gate.model_copy(update={"non_speech_dir": "/somewhere/without/speech"})
    params = params.model_copy(update={"download": download, "gate": gate})
    provenance = [
        {
            "corpus": corpus,
            "title": corpus.title(),
            "homepage": "https://example.org",
            "licence": "CC BY 4.0",
            "citation": f"A. Author, The {corpus}, 2019.",
            "source": source,
            "fetched": "2026-01-02T03:04:05+00:00",
            "recordings": 721,
            "sha256": "ab" * 32,
        }
        for corpus, source in (("north", "/somewhere/on/a/disk/north"), ("south", "https://example.org/south.zip"))
    ]
    models = {
        "shallow": {"settings": {"channels": [8, 16]}, "parameters": 12345},
        "transfer": {
            "settings": {"backbone": "efficientnet_lite0", "band_pooling": 1, "depths": [0.3, 0.65]},
            "parameters": 67890,
        },
    }
    return CardInputs(
        evaluation=made_evaluation,
        known_voices=None,
        pairs=made_pairs(),
        agreement={},
        split=made_split,
        clips=pd.concat([clips, silent], ignore_index=True),
        provenance=provenance,
        models=models,
        gate=_measured_gate(with_recordings=True),
        params=params,
        revision="0123abc",
        versions={"keras": "3.15.1", "tensorflow": "2.16.2"},
        pictures="../plots/evaluate",
    )


@pytest.fixture(scope="module")
def card(inputs: CardInputs) -> str:
    return write_card(inputs)


def _section(card: str, title: str) -> str:
    return card.split(f"## {title}", 1)[1].split("\n## ", 1)[0]


def test_has_what_a_model_card_needs(card: str) -> None:
    titles = re.findall(r"^## (.*)$", card, re.MULTILINE)
    for wanted in ("What the models are", "Use", "How good they are", "Where it fails", "Fairness by gender"):
        assert wanted in titles
    for wanted in ("Confidence", "Voice gate", "Data", "Split", "Limits", "How to make it again"):
        assert wanted in titles


@pytest.mark.parametrize("role", [SEEN, UNSEEN])
def test_every_headline_is_the_measured_one_with_its_interval(
    card: str, made_evaluation: Evaluation, role: str
) -> None:
    section = _section(card, "How good they are")
    for predictor, report in made_evaluation.roles[role].predictors.items():
        uar = report.overall.uar
        row = next(line for line in section.splitlines() if f"{100 * uar.value:.1f} % ({100 * uar.low:.1f}" in line)
        assert row.startswith(f"| {predictor} ")
        assert f"{100 * report.overall.accuracy.value:.1f} %" in row
    assert "| always angry |" in section
    assert "| chance | 14.3 % |" in section


def test_says_what_it_must_not_be_used_for(card: str) -> None:
    use = _section(card, "Use")
    assert "a guess about how a voice sounds, not what a person feels" in use
    assert "any decision about a person" in use


def test_shows_provenance_licence_citation_and_what_was_left_out(card: str) -> None:
    data = _section(card, "Data")
    north = next(line for line in data.splitlines() if "[North](https://example.org)" in line)
    assert [cell.strip() for cell in north.split("|")[2:7]] == ["721", "1", "12", "en", "CC BY 4.0"]
    assert "`abababababab`" in north
    assert "silent 1" in data
    assert "- A. Author, The south, 2019." in data


def test_tells_nothing_of_the_machine(card: str) -> None:
    assert "/somewhere" not in card
    assert "a local folder" in card
    assert "https://example.org/south.zip" in card


def test_counts_the_split(card: str, made_split: pd.DataFrame) -> None:
    split = _section(card, "Split")
    train = made_split.query("role == 'train'")
    row = next(line for line in split.splitlines() if line.startswith("| train"))
    north = int((train["corpus"] == "north").sum())
    assert [int(cell) for cell in row.split("|")[2:-1]] == [len(train), 9, north, len(train) - north]


def test_names_the_worst(card: str, made_evaluation: Evaluation) -> None:
    section = _section(card, "Where it fails")
    report = made_evaluation.roles[UNSEEN].predictors[made_evaluation.chosen]
    worst = next(iter(report.speakers))
    rows = [line for line in section.splitlines() if line.startswith("| north/") or line.startswith("| south/")]
    assert rows[0].startswith(f"| {worst} |")
    mistake = report.confused[0]
    assert f"| {mistake.actual} | {mistake.predicted} | {mistake.clips} |" in section


@pytest.mark.slow
def test_every_picture_it_shows_is_drawn(
    card: str, inputs: CardInputs, made_evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: set[str] = set()
    monkeypatch.setattr("deepemo.charts.evaluation.save", lambda figure, path: drawn.add(path.name))
    history = pd.DataFrame([dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy", "val_uar"), 0.5)])
    draw_all(Path("anywhere"), made_evaluation, {"shallow": history}, inputs.pairs)
    shown = set(re.findall(r"\]\(\.\./plots/evaluate/(\w+\.png)\)", card))
    assert len(shown) == 9
    assert shown <= drawn


@pytest.mark.slow
def test_every_family_is_described_in_its_own_words(
    inputs: CardInputs,
    made_predictions: Predictions,
    evaluated: Callable[[Predictions], Evaluation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def describe(about: Mapping[str, Any], params: Params) -> str:
        return f"a lookup table with {about['parameters']} rows at {params.featurize.sample_rate_hz} Hz."

    table = SimpleNamespace(describe=describe)
    monkeypatch.setattr(
        "deepemo.reporting.model_card.load_family", lambda name: table if name == "table" else load_family(name)
    )
    shallow, transfer = (made_predictions.probabilities[name] for name in ("shallow", "transfer"))
    three = Predictions(
        made_predictions.clips, {"shallow": shallow, "transfer": transfer, "table": shallow}, EMOTIONS
    ).with_ensemble({"shallow": 0.25, "transfer": 0.5, "table": 0.25})
    models = {**inputs.models, "table": {"parameters": 7}}
    section = _section(write_card(replace(inputs, evaluation=evaluated(three), models=models)), "What the models are")
    assert "Four predictors name one of 7\nemotions" in section
    assert re.findall(r"^- \*\*(\w+)\*\*: (.*)$", section, re.MULTILINE) == [
        ("shallow", "a convolutional network trained from scratch, pairs of convolutions with"),
        ("transfer", "`efficientnet_lite0` with `imagenet` weights looks at the spectrogram as at a"),
        ("table", "a lookup table with 7 rows at 16000 Hz."),
        ("ensemble", "the weighted mean of all models' probabilities, weights fitted on validation:"),
    ]
    assert "  shallow 33%, transfer 33%, table 33%." in section
    alone = Predictions(made_predictions.clips, {"shallow": shallow}, EMOTIONS)
    card = write_card(replace(inputs, evaluation=evaluated(alone), models={"shallow": inputs.models["shallow"]}))
    section = _section(card, "What the models are")
    assert "One predictor names one of 7\nemotions" in section
    assert "ensemble" not in section


def test_pairs_of_corpora_are_a_table_of_the_predictor_that_answers(card: str, inputs: CardInputs) -> None:
    section = _section(card, "Corpora by corpora")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("|")]
    assert rows[0] == ["learned from", "corpus_a", "corpus_b", "corpus_c"]
    assert [row[0] for row in rows[2:]] == ["corpus_a", "corpus_b"]
    predictor = inputs.evaluation.chosen if inputs.evaluation.chosen in inputs.pairs["mean"] else "ensemble"
    assert f"UAR of\n**{predictor}** over" in section
    uars = {
        name: [f"{100 * cell['predictors'][predictor]['uar']:.1f} %" for cell in row["judged_on"].values()]
        for name, row in inputs.pairs["trained_on"].items()
    }
    first, second = uars["corpus_a"], uars["corpus_b"]
    assert rows[2][1:] == [f"**{first[0]}**\\*", *first[1:]]
    assert rows[3][1:] == [second[0], f"**{second[1]}**", second[2]]
    assert "corpus_a has no test clips of speakers never heard" in section
    assert "Not trained: corpus_c has no validation clip." in section


def test_pairs_that_were_not_asked_for_say_so(inputs: CardInputs) -> None:
    pairs = {"asked": 0, "reason": "cross_corpus.pairs is false"}
    card = write_card(replace(inputs, pairs=pairs))
    assert _section(card, "Corpora by corpora").strip() == "Not asked: cross_corpus.pairs is false."


def test_can_be_made_again_from_it(card: str, inputs: CardInputs) -> None:
    section = _section(card, "How to make it again")
    assert "0123abc" in section
    assert "| tensorflow | 2.16.2 |" in section
    assert f"seed: {inputs.params.seed}" in section
    assert "sample_rate_hz" in section


def test_the_voice_gate_is_shown_with_goals_beside_its_error_rates(card: str) -> None:
    section = _section(card, "Voice gate")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if "at most" in line]
    assert rows == [
        ["speech rejected", "400", "1.0 %", "at most 1.0 %"],
        ["... in its worst condition, white noise 0 dB", "", "2.0 % (0.8 to 5.0)", "at most 1.0 %"],
        ["recordings without speech accepted", "50", "2.0 % (0.4 to 10.5)", "at most 3.0 %"],
        ["made sounds accepted", "400", "0.5 %", "at most 3.0 %"],
    ]
    assert "2% of the 32 ms frames" in section
    assert "run of 0.48 s" in section
    assert "probability of 0.25." in section
    assert "by emotion, gender and corpus: angry 2.0 %, male 1.0 %, north 1.0 %." in section
    assert "of a kind: saw 20.0 %, hum 1.0 %." in section
    assert "`gate.non_speech_dir` at recordings without speech" in _section(card, "How to make it again")


def test_the_second_opinion_of_the_gate_is_told_with_the_rates_without_it(inputs: CardInputs) -> None:
    gate = _measured_gate(with_recordings=True)
    assert "judged a second time" not in _section(write_card(replace(inputs, gate=gate)), "Voice gate")
    gate["second_opinion"] = "speech"
    gate["non_speech"]["accepted_without_second_opinion"] = 0.125
    section = " ".join(_section(write_card(replace(inputs, gate=gate)), "Voice gate").split())
    assert "judged a second time by `speech`" in section
    assert "learned from training clips, some of which are among the clips of speech below" in section
    assert "rejected 0.0 % of the speech, accepted 12.5 % of the recordings without speech and accepted" in section


def test_a_gate_that_was_given_no_recordings_says_so(inputs: CardInputs) -> None:
    card = write_card(replace(inputs, gate=_measured_gate(with_recordings=False)))
    section = _section(card, "Voice gate")
    assert "recordings without speech accepted" not in section
    assert "`gate.non_speech_dir` names no folder" in section
    assert "non_speech_dir" not in _section(card, "How to make it again")


def test_the_kinds_of_sounds_that_the_gate_was_never_shown_are_named(inputs: CardInputs) -> None:
    gate = _measured_gate(with_recordings=True)
    by_class = {**gate["non_speech"]["by_class"], "rain": 0.0, "brass_band": 0.0}
    gate = {**gate, "non_speech": {**gate["non_speech"], "by_class": by_class}}
    section = " ".join(_section(write_card(replace(inputs, gate=gate)), "Voice gate").split())
    assert "were chosen on speech and on recordings of ten kinds of sounds: baby cry, chainsaw," in section
    assert "were chosen on other kinds, such as music, singing, laughter, coughs, and most machines." in section
    assert section.endswith("Of the kinds that were measured, the limits were not chosen on: brass band, saw.")


def test_kinds_that_the_gate_was_shown_are_not_said_to_be_new(inputs: CardInputs) -> None:
    gate = _measured_gate(with_recordings=True)
    gate = {**gate, "non_speech": {**gate["non_speech"], "by_class": {"rain": 0.0, "rooster": 0.1}}}
    section = _section(write_card(replace(inputs, gate=gate)), "Voice gate")
    assert "rooster 10.0 %" in section
    assert "were not chosen on:" not in section


def test_few_speakers_are_warned_of(card: str) -> None:
    assert "With so few speakers (speakers never heard)" in _section(card, "How good they are")


def test_synthetic_speech_is_called_so(inputs: CardInputs) -> None:
    assert "synthetic" not in write_card(inputs).split("## ", 1)[0]
    renamed = inputs.split.replace({"corpus": {"south": "synthetic"}})
    assert "**Some of the speech is synthetic**" in write_card(replace(inputs, split=renamed))
    assert "**All of the speech is synthetic**" in write_card(
        replace(inputs, split=inputs.split.assign(corpus="synthetic"))
    )


def test_listeners_are_quoted_for_the_corpus_they_heard(inputs: CardInputs) -> None:
    assert "40.9 %" not in write_card(inputs)
    renamed = inputs.split.replace({"corpus": {"north": "crema_d"}})
    assert "40.9 %" in write_card(replace(inputs, split=renamed))


def test_shared_sentences_are_counted() -> None:
    split = pd.DataFrame(
        {
            "clip": list("abcd"),
            "corpus": ["x", "x", "x", "y"],
            "role": ["train", "test_unseen", "test_unseen", "test_unseen"],
        }
    )
    clips = pd.DataFrame({"clip": list("abcd"), "sentence": ["dogs", "dogs", "kids", "dogs"]})
    assert repeated_sentences(split, clips, "test_unseen") == pytest.approx(1 / 3)


def test_a_corpus_without_a_record_is_said_to_have_none(inputs: CardInputs) -> None:
    data = _section(write_card(replace(inputs, provenance=inputs.provenance[:1])), "Data")
    south = next(line for line in data.splitlines() if line.startswith("| south"))
    assert south.count("not recorded") == 2
    assert "The north" in data
    assert "The south" not in data


def test_scores_and_split_are_told_by_language_where_there_are_several(card: str, made_evaluation: Evaluation) -> None:
    section = _section(card, "Language by language")
    report = made_evaluation.roles[UNSEEN].predictors[made_evaluation.chosen]
    assert set(report.languages) == {"en", "pl"}
    english = [line for line in section.splitlines() if line.startswith("| en | ")]
    assert any(f"{100 * report.languages['en'].uar.value:.1f} %" in line for line in english)
    assert any("| 6, no surprise |" in line for line in english)
    assert "| pl | " in _section(card, "Split")


def test_one_language_needs_no_section(inputs: CardInputs, evaluated: Callable[..., Evaluation]) -> None:
    clips = inputs.split[inputs.split["role"] != "train"].assign(language="en").reset_index(drop=True)
    even = np.full((len(clips), 7), 1 / 7)
    one = evaluated(Predictions(clips, {"shallow": even, "transfer": even}, EMOTIONS))
    card = write_card(replace(inputs, evaluation=one, split=inputs.split.assign(language="en")))
    assert "## Language by language" not in card


def test_people_and_model_are_compared_by_how_many_listeners_agreed(
    inputs: CardInputs, made_predictions: Predictions
) -> None:
    clips = made_predictions.clips[["clip"]].assign(agreement=np.nan)
    unseen = made_predictions.clips.index[made_predictions.clips["role"] == "test_unseen"]
    clips.loc[unseen[:60], "agreement"] = 0.2
    clips.loc[unseen[60:100], "agreement"] = 0.9
    bands = score_by_agreement(made_predictions, "shallow", clips, samples=100, seed=1)
    assert list(bands) == [UNSEEN]
    whole, few, most = bands[UNSEEN]
    assert (whole.model.clips, few.model.clips, most.model.clips) == (100, 60, 40)
    assert whole.listeners == pytest.approx((60 * 0.2 + 40 * 0.9) / 100)
    right = made_predictions.answers("shallow") == made_predictions.labels
    assert few.model.accuracy.value == pytest.approx(right[unseen[:60]].mean())
    section = _section(write_card(replace(inputs, agreement=bands)), "Listeners")
    assert "| 0% to 25% | 60 | 20.0 % |" in section
    assert "| 75% to 100% | 40 | 90.0 % |" in section
    assert "## Listeners" not in write_card(inputs)


def test_a_run_of_four_emotions_names_them_and_counts_the_clips_of_others(
    inputs: CardInputs,
    made_predictions: Predictions,
    made_split: pd.DataFrame,
    among: Callable[[Predictions, Emotions], Predictions],
    evaluated: Callable[..., Evaluation],
) -> None:
    four = ("angry", "fear", "sad", "surprise")
    evaluation = evaluated(among(made_predictions, four), left_out=False)
    split = made_split[made_split["emotion"].isin(four)]
    card = write_card(replace(inputs, evaluation=evaluation, split=split))
    assert "name one of 4\nemotions: angry, fear, sad, surprise." in _section(card, "What the models are")
    assert "| chance | 25.0 % | 25.0 % | - |" in _section(card, "How good they are")
    left_out = "have no role: disgust 140, happy 140, neutral 140."
    assert left_out in _section(card, "Split")
    assert "One of the four emotions is always the likeliest" in _section(card, "Limits")
    assert "have no role" not in write_card(inputs)


def test_references_are_told_on_every_corpus_left_out(made_evaluation: Evaluation) -> None:
    def figures(uar: float) -> dict[str, float]:
        return {"accuracy": 0.5, "uar": uar, "clips": 9, "corpora": 2}

    known = KnownVoices(
        part="speech",
        weights={"shallow": 0.0, "speech": 1.0},
        confidence=made_evaluation.confidences["shallow"],
        least_recordings=5,
        least_deviation=0.0,
        roles={},
        left_out_corpora={"0": figures(0.4), "10": figures(0.475)},
    )
    corpora = {
        "east": {"predictors": {"ensemble": figures(0.3)}, "known_voices": {"10": figures(0.35)}},
        "north": {"predictors": {"ensemble": figures(0.5)}, "known_voices": {"10": figures(0.6)}},
    }
    section = known_voices(known, {"corpora": corpora})
    assert "| none (ensemble) | 30.0 % | 50.0 % | **40.0 %** |" in section
    assert "| 10 others | 35.0 % | 60.0 % | **47.5 %** |" in section
    assert "| recordings of the voice; UAR on | east | north | mean |" in section
