"""References of a voice: without the clip itself, shrunk if recordings are few, with a measure of their likeness."""

import numpy as np
import pandas as pd
import pytest

from deepemo import mapped
from deepemo.models.voice import SHRINKAGE_RECORDINGS, Voices, deviation, deviations, offset, voices_of


def made() -> tuple[np.ndarray, list[str]]:
    """Components of three voices in turn, of 5, 3 and 1 clips."""
    voices = ["b", "a", "b", "a", "b", "c", "b", "a", "b"]
    return np.random.default_rng(3).normal(size=(9, 4)).astype(np.float32), voices


def share(recordings: int) -> float:
    return recordings / (recordings + SHRINKAGE_RECORDINGS)


def test_all_others_of_the_voice_make_the_offset_and_never_the_clip_itself() -> None:
    components, voices = made()
    found = Voices(components, voices).offsets(np.arange(9), None, np.random.default_rng(0))
    for clip, voice in enumerate(voices):
        others = [row for row, name in enumerate(voices) if name == voice and row != clip]
        expected = components[others].mean(axis=0) * share(len(others)) if others else np.zeros(4)
        np.testing.assert_allclose(found[clip], expected, atol=1e-6)


def test_a_drawn_reference_holds_as_many_distinct_others_as_asked_for() -> None:
    components = np.eye(6, dtype=np.float32)  # a component tells which clip is in the mean
    voices = Voices(components, ["x"] * 6)
    seen = set()
    for draw in range(40):
        found = voices.offsets(np.arange(6), 2, np.random.default_rng(draw)) / share(2)
        assert not np.diagonal(found).any(), "the clip itself"
        np.testing.assert_allclose(np.sort(found, axis=1)[:, -2:], 0.5, atol=1e-6)
        seen |= {tuple(np.flatnonzero(row)) for row in found}
    assert len(seen) == 15, "every pair is drawn"


def test_a_voice_with_fewer_others_than_asked_for_takes_all_of_them() -> None:
    components, voices = made()
    both = (
        Voices(components, voices).offsets(np.array([1, 3, 7]), size, np.random.default_rng(0)) for size in (10, None)
    )
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize(("recordings", "kept"), [(0, 0.0), (1, 0.25), (3, 0.5), (27, 0.9)])
def test_few_recordings_are_shrunk_towards_the_general_mean(recordings: int, kept: float) -> None:
    np.testing.assert_allclose(offset(np.array([2.0, -1.0], np.float32), recordings), [2 * kept, -kept], atol=1e-6)


@pytest.mark.parametrize("recordings", [2, None])
def test_blocks_of_clips_get_the_offsets_of_all_clips_at_once(
    monkeypatch: pytest.MonkeyPatch, recordings: int | None
) -> None:
    random = np.random.default_rng(6)
    components = random.normal(size=(200, 5)).astype(np.float32)
    names = [f"v{number}" for number in random.integers(9, size=200)]
    at_once = Voices(components, names).offsets(np.arange(200), recordings, np.random.default_rng(1))
    monkeypatch.setattr(mapped, "BLOCK", 7)
    voices, same = Voices(components, names), np.random.default_rng(1)
    found = [voices.offsets(np.arange(200)[rows], recordings, same) for rows in mapped.blocks(200)]
    assert len(found) == 29
    np.testing.assert_array_equal(np.concatenate(found), at_once)


def test_a_speaker_of_two_corpora_is_two_voices() -> None:
    clips = pd.DataFrame({"corpus": ["x", "y"], "speaker": ["01", "01"]})
    assert voices_of(clips) == ["x/01", "y/01"]


def test_recordings_that_are_all_alike_do_not_deviate() -> None:
    assert deviation(np.ones((4, 3), np.float32)) == 0.0
    spread = np.random.default_rng(0).normal(scale=2.0, size=(4000, 30)).astype(np.float32)
    assert deviation(spread) == pytest.approx(2.0, rel=0.02)


def test_references_for_deviations_are_drawn_voice_by_voice_in_the_order_of_names() -> None:
    components, voices = made()
    random, expected = np.random.default_rng(2), []
    for name in "abc":
        own = [row for row, voice in enumerate(voices) if voice == name]
        if len(own) >= 2:
            expected += [deviation(components[random.choice(own, 2, replace=False)]) for _ in own]
    np.testing.assert_array_equal(deviations(components, voices, 2, np.random.default_rng(2)), expected)


def test_one_reference_is_drawn_for_each_clip_of_a_voice_that_has_enough() -> None:
    components, voices = made()
    assert len(deviations(components, voices, 3, np.random.default_rng(0))) == 5 + 3
    assert len(deviations(components, voices, 6, np.random.default_rng(0))) == 0


def test_the_first_components_have_the_offsets_that_they_have_among_all() -> None:
    components = np.random.default_rng(5).normal(size=(40, 6)).astype(np.float32)
    voices = Voices(components, [f"v{number % 3}" for number in range(40)])
    for size in (3, None):
        every = voices.offsets(np.arange(40), size, np.random.default_rng(1))
        first = voices.offsets(np.arange(40), size, np.random.default_rng(1), width=2)
        np.testing.assert_array_equal(first, every[:, :2])
