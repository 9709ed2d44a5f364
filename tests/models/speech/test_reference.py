"""References of a voice: never made of the clip itself, shrunk where they are small, and the same for the same draw."""

import numpy as np
import pytest

from deepemo.models.speech.reference import SHRINKAGE_RECORDINGS, VoiceReference, VoiceRelative

WIDTH = 6


@pytest.fixture
def general() -> np.ndarray:
    return np.arange(WIDTH, dtype=np.float32)


def made(counts: list[int]) -> tuple[np.ndarray, list[str]]:
    """Embeddings of speakers with so many clips each, in mixed order, every one of them different."""
    random = np.random.default_rng(1)
    speakers = [f"north/{number:02d}" for number, count in enumerate(counts) for _ in range(count)]
    random.shuffle(speakers)
    return random.normal(size=(len(speakers), WIDTH)).astype(np.float32), speakers


def test_a_voice_of_many_recordings_is_taken_off_whole(general: np.ndarray) -> None:
    embeddings = np.random.default_rng(2).normal(5, 1, (3000, WIDTH)).astype(np.float32)
    relative = VoiceReference.of(embeddings).relative(embeddings, general)
    np.testing.assert_allclose(relative.mean(axis=0), 0, atol=0.02)


def test_a_voice_of_no_recordings_is_the_general_one(general: np.ndarray) -> None:
    nothing = VoiceReference.of(np.empty((0, WIDTH), np.float32))
    embedding = np.ones(WIDTH, np.float32)
    np.testing.assert_array_equal(nothing.relative(embedding, general), embedding - general)


@pytest.mark.parametrize("recordings", [1, 3, 12])
def test_a_voice_of_few_recordings_is_shrunk_towards_the_general_one(recordings: int, general: np.ndarray) -> None:
    reference = VoiceReference(general + 1, recordings)
    relative = reference.relative(general, general)
    np.testing.assert_allclose(relative, -recordings / (recordings + SHRINKAGE_RECORDINGS), rtol=1e-5)


@pytest.mark.parametrize("recordings", [1, 4, 9, 10, None])
def test_a_reference_is_made_of_other_recordings_of_the_speaker(recordings: int | None, general: np.ndarray) -> None:
    _, speakers = made([11, 11, 3])
    # One-hot rows tell of which clips a mean is made.
    one_hot = np.eye(len(speakers), dtype=np.float32)
    voices = VoiceRelative(one_hot, speakers, general=np.zeros(len(speakers), np.float32))
    random = np.random.default_rng(3)
    seen: set[int] = set()
    for clip, speaker in enumerate(speakers):
        reference = voices.reference(clip, recordings, random)
        used = np.flatnonzero(reference.mean)
        others = speakers.count(speaker) - 1
        assert reference.recordings == len(used) == min(recordings or others, others)
        assert clip not in used
        assert {speakers[other] for other in used} == {speaker}
        np.testing.assert_allclose(reference.mean[used], 1 / len(used), rtol=1e-6)
        seen.update(used)
    assert len(seen) > len(speakers) / 2


def test_every_other_recording_is_drawn_as_often() -> None:
    speakers = ["a"] * 5 + ["b"] * 2
    voices = VoiceRelative(np.eye(7, dtype=np.float32), speakers, general=np.zeros(7, np.float32))
    random = np.random.default_rng(4)
    shares = np.mean([voices.reference(2, 2, random).mean for _ in range(4000)], axis=0)
    np.testing.assert_allclose(shares, [0.25, 0.25, 0, 0.25, 0.25, 0, 0], atol=0.02)


def test_the_only_recording_of_a_speaker_has_no_reference(general: np.ndarray) -> None:
    embeddings, speakers = made([1, 4])
    alone = speakers.index("north/00")
    voices = VoiceRelative(embeddings, speakers, general=general)
    for count in (1, 10, None):
        assert voices.reference(alone, count, np.random.default_rng(5)).recordings == 0
        relative = voices.relative([alone], [count], np.random.default_rng(5))
        np.testing.assert_allclose(relative[0], embeddings[alone] - general, rtol=1e-6)


def test_the_same_draw_gives_the_same_inputs(general: np.ndarray) -> None:
    embeddings, speakers = made([8, 8])
    draw = VoiceRelative(embeddings, speakers, general=general).draw((1, 3, None))
    members = np.array([0, 5, 5, 9])
    one, same, other = (draw(members, np.random.default_rng(seed)) for seed in (6, 6, 7))
    assert one.dtype == np.float32
    assert one.tobytes() == same.tobytes()
    assert one.tobytes() != other.tobytes()
