"""Opinions are asked about sounds, voices and corpora from which neither they nor their thresholds were learned."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks._opinions import AS_BUILT, OPINIONS, OTHER, SPEECH, Sounds, judge, report
from benchmarks.gate_opinion import Listener, near_misses, read_kinds
from deepemo.errors import InputError
from deepemo.models.speech.family import SpeechInput
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.params import VoiceDecision
from deepemo.vad.stimuli import RATE_HZ

WIDTH = 8
GATE = VoiceDecision(voice_threshold=0.25, min_voice_share=0.02, min_voice_seconds=0.48)


def cloud(random: np.random.Generator, count: int, **centre: float) -> np.ndarray:
    """Points around a centre, which is given by its axes: `x3=4.0` is 4 on axis 3."""
    points = random.normal(size=(count, WIDTH)).astype(np.float32)
    for axis, value in centre.items():
        points[:, int(axis[1:])] += value
    return points


def sounds(**kinds: np.ndarray) -> Sounds:
    labels = np.repeat(list(kinds), [len(points) for points in kinds.values()])
    return Sounds(np.concatenate(list(kinds.values())), labels, np.ones(len(labels), bool), np.full(len(labels), "c"))


def test_near_misses_are_faster_slower_mixed_and_in_pieces() -> None:
    noise = np.random.default_rng(1).normal(size=(3, 5 * RATE_HZ)).astype(np.float32)
    found = list(near_misses(list(noise), np.random.default_rng(2)))
    whole = [(name, len(samples) / RATE_HZ) for name, is_whole, samples in found if is_whole]
    assert whole[:7] == [
        ("as_recorded", 5.0),
        ("speed_0.7", pytest.approx(5 / 0.7, abs=1e-3)),
        ("speed_0.85", pytest.approx(5 / 0.85, abs=1e-3)),
        ("speed_1.2", pytest.approx(5 / 1.2, abs=1e-3)),
        ("speed_1.4", pytest.approx(5 / 1.4, abs=1e-3)),
        ("mixed_1", 5.0),
        ("mixed_2", 5.0),
    ]
    assert len(whole) == 3 * 7
    pieces = [len(samples) / RATE_HZ for _, is_whole, samples in found if not is_whole]
    assert len(pieces) == 3 * 7 * 8
    assert set(pieces) == {1.0, 1.5, 2.0, 3.0}


def test_a_sound_alone_of_its_kind_is_not_mixed_with_itself() -> None:
    found = near_misses([np.ones(RATE_HZ // 2, np.float32)], np.random.default_rng(2))
    assert [name for name, _, _ in found] == ["as_recorded", "speed_0.7", "speed_0.85", "speed_1.2", "speed_1.4"]


def test_what_the_gate_rejects_is_embedded_only_if_it_is_kept() -> None:
    front_end = SpeechFrontEnd(SpeechInput(clip_seconds=6.0, trim_below_db=40.0, level_dbfs=-26.0))

    class Lengths:
        width = 1

        def __call__(self, clips: list[np.ndarray]) -> np.ndarray:
            return np.array([[len(clip)] for clip in clips], np.float32)

    tone = np.sin(np.arange(RATE_HZ) * 0.3).astype(np.float32)
    listener = Listener(GATE, Lengths(), front_end)
    found = listener.listen(iter([("tone", "kept", True, tone), ("tone", "left", False, tone)]))
    assert found.conditions.tolist() == ["kept"]
    assert found.embeddings.tolist() == [[RATE_HZ]]
    assert not found.passing.any()
    with pytest.raises(InputError, match="accepts none"):
        listener.listen(iter([("tone", "left", False, tone)]))


@pytest.fixture(scope="module")
def answers() -> pd.DataFrame:
    """Two recorded kinds that differ from speech on axis 5 alone, one on axis 6 alone, and made sounds on axis 0."""
    random = np.random.default_rng(3)
    speech = {name: cloud(random, 400) for name in ("north", "south", OTHER)}
    recorded = sounds(bark=cloud(random, 200, x5=9.0), yelp=cloud(random, 200, x5=9.0), saw=cloud(random, 200, x6=9.0))
    made = sounds(hum=cloud(random, 100, x0=9.0), tone=cloud(random, 100, x0=9.0))
    learned = {held: ((lambda values: values), cloud(random, 2000)) for held in ("north", "south")}
    return judge(learned, sounds(**speech), recorded, made, made, refused_speech=0.01)


def test_a_kind_is_refused_only_by_what_was_learned_from_its_like(answers: pd.DataFrame) -> None:
    refused = answers.groupby(["opinion", "kind"])["refused"].mean()
    for name in ("discriminant", "logistic regression"):
        assert refused[name, "hum"] > 0.9
        assert refused[name, "bark"] < 0.1
        assert refused[f"{name}, other kinds too", "bark"] > 0.9
        assert refused[f"{name}, other kinds too", "saw"] < 0.1
    assert refused["distance to speech", "saw"] > 0.9


def test_a_fixed_threshold_lies_between_what_was_learned_from(answers: pd.DataFrame) -> None:
    refused = answers[answers["opinion"] == AS_BUILT].groupby("kind")["refused"].mean()
    assert refused["hum"] > 0.99
    assert refused[["bark", OTHER, "north"]].max() < 0.005


def test_speech_is_judged_in_corpora_that_set_no_threshold(answers: pd.DataFrame) -> None:
    speech = answers[answers["group"] == SPEECH]
    assert {held: set(rows["kind"]) for held, rows in speech.groupby("held")} == {
        "north": {"north", OTHER},
        "south": {"south", OTHER},
    }
    assert (speech.groupby("opinion")["refused"].mean() < 0.03).all()


def test_the_report_has_a_row_for_each_opinion_and_each_kind(answers: pd.DataFrame) -> None:
    opinions, kinds = (part.splitlines()[2:] for part in report(answers).strip().split("\n\n"))
    assert [row.split("|")[1].strip() for row in opinions] == list(OPINIONS)
    assert [row.split("|")[1:3] for row in kinds] == [
        [f" {kind} ", f" {count} "]
        for kind, count in [("bark", 200), ("saw", 200), ("yelp", 200), ("hum", 100), ("tone", 100)]
    ]


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no recordings.*expected folders of recordings"):
        read_kinds(tmp_path)
