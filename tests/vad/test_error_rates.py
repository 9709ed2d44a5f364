import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from deepemo.params import VoiceDecision
from deepemo.pipeline import load_params
from deepemo.vad.error_rates import (
    MAX_OTHERS_ACCEPTED,
    ErrorRates,
    measure_error_rates,
    summarize,
    wilson_interval,
)
from deepemo.vad.trials import NonSpeech, Trial

ROOT = Path(__file__).parents[2]

DECISION = VoiceDecision(voice_threshold=0.5, min_voice_share=0.1, min_voice_seconds=0.2)


@pytest.fixture
def loud_is_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces the network: the probability of speech is the peak of the recording."""

    def peak(samples: np.ndarray, rate_hz: int) -> np.ndarray:
        return np.full(20, float(np.abs(samples).max()), dtype=np.float32)

    monkeypatch.setattr("deepemo.vad.gate.speech_probabilities", peak)


def trials(loud: int, quiet: int, *, group: str = "g", condition: str = "c") -> Iterator[Trial]:
    for peak in [1.0] * loud + [0.1] * quiet:
        yield Trial(
            samples=np.full(512, peak, np.float32), rate_hz=16_000, labels={"condition": condition, "corpus": group}
        )


def joined(*parts: Iterator[Trial]) -> Iterator[Trial]:
    for part in parts:
        yield from part


@pytest.mark.usefixtures("loud_is_speech")
@pytest.mark.parametrize(("is_speech", "wrong"), [(True, 3), (False, 7)])
def test_wrong_is_what_differs_from_the_truth(is_speech: bool, wrong: int) -> None:
    rates = measure_error_rates(DECISION, trials(7, 3), is_speech=is_speech)
    assert (rates.total.errors, rates.total.trials) == (wrong, 10)


@pytest.mark.usefixtures("loud_is_speech")
def test_rates_are_broken_down_by_every_label() -> None:
    parts = joined(
        trials(8, 2, group="a", condition="x"),
        trials(5, 5, group="a", condition="y"),
        trials(0, 4, group="b", condition="y"),
    )
    content = measure_error_rates(DECISION, parts, is_speech=True).to_dict("rejected")
    assert content["trials"] == 24
    assert content["rejected"] == round(11 / 24, 4)
    assert content["by_condition"] == {"x": 0.2, "y": round(9 / 14, 4)}
    assert content["by_corpus"] == {"a": 0.35, "b": 1.0}
    assert content["rejected_in_worst_condition"] == round(9 / 14, 4)
    assert content["rejected_in_worst_condition_ci95"] == [round(bound, 4) for bound in wilson_interval(9, 14)]


@pytest.mark.usefixtures("loud_is_speech")
@pytest.mark.parametrize("count", [10, 40])
def test_the_second_opinion_is_asked_about_what_the_first_accepts(count: int) -> None:
    asked: list[int] = []

    def second(given: Sequence[Trial]) -> np.ndarray:
        asked.append(len(given))
        assert all(trial.samples.max() == 1.0 for trial in given)
        return np.array([trial.labels["corpus"] == "a" for trial in given])

    parts = joined(trials(count, 3, group="a"), trials(5, 4, group="b"))
    rates = measure_error_rates(DECISION, parts, is_speech=True, second=second)
    assert (rates.first.errors, rates.total.errors, rates.total.trials) == (7, 12, count + 12)
    assert rates.by_label["corpus"]["b"].rate == 1.0
    assert sum(asked) == count + 5
    content = rates.to_dict("rejected")
    assert content["rejected"] > content["rejected_without_second_opinion"]


@pytest.mark.parametrize(("wrong", "total"), [(0, 50), (1, 70), (16, 1500), (7, 7)])
def test_the_interval_is_wilsons(wrong: int, total: int) -> None:
    expected = binomtest(wrong, total).proportion_ci(0.95, method="wilson")
    assert wilson_interval(wrong, total) == pytest.approx((expected.low, expected.high), abs=1e-4)


def rates(**errors: tuple[int, int]) -> ErrorRates:
    """Wrong decisions and trials by condition."""
    counted = ErrorRates()
    for condition, (wrong, total) in errors.items():
        for number in range(total):
            counted.add({"condition": condition}, wrong=number < wrong, first_wrong=False)
    return counted


def speech(rejected_of_200: int, other_condition: int = 0) -> ErrorRates:
    return rates(x=(rejected_of_200, 200), y=(other_condition, 200))


def sounds(accepted_of_100: int) -> ErrorRates:
    return rates(c=(accepted_of_100, 100))


@pytest.mark.parametrize(
    ("figures", "goals_met"),
    [
        ((speech(2, 2), sounds(3), sounds(3)), (True, True, True)),
        ((speech(3, 1), sounds(3), sounds(3)), (True, False, True)),
        ((speech(3, 2), sounds(0), sounds(0)), (False, False, True)),
        ((speech(0), sounds(4), sounds(0)), (True, True, False)),
        ((speech(0), sounds(0), sounds(4)), (True, True, False)),
        ((speech(0), None, sounds(3)), (True, True, True)),
    ],
)
def test_goals_are_met_up_to_their_last_value(
    figures: tuple[ErrorRates, ErrorRates | None, ErrorRates], goals_met: tuple[bool, bool, bool]
) -> None:
    content = summarize(DECISION, *figures)
    assert tuple(content["goals_met"].values()) == goals_met
    assert (content["non_speech"] is None) == (figures[1] is None)


def test_the_summary_is_json_with_the_decision_in_it() -> None:
    content = json.loads(json.dumps(summarize(DECISION, speech(1), sounds(1), sounds(2))))
    assert content["decision"] == DECISION.model_dump()
    assert content["made_sounds"]["accepted"] == 0.02


@pytest.mark.corpora
def test_of_real_sounds_without_speech_few_enough_are_accepted(corpora_dir: Path) -> None:
    gate = load_params(ROOT / "params.yaml").gate
    rates = measure_error_rates(gate, NonSpeech(corpora_dir / "non_speech"), is_speech=False)
    assert rates.total.trials == 70
    assert rates.total.rate <= MAX_OTHERS_ACCEPTED
