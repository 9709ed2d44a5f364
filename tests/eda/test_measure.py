import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from deepemo.eda.measure import measure_clips, pick_examples, sample_clips
from deepemo.emotions import EMOTIONS

RATE_HZ = 16000


def made_clips() -> pd.DataFrame:
    """200 clips of a corpus without surprise, 35 of a small one with all seven."""
    rows = []
    for corpus, count, emotions in (("big", 200, EMOTIONS[:-1]), ("small", 35, EMOTIONS)):
        for number in range(count):
            emotion = emotions[number % len(emotions)]
            speaker = f"{corpus}/{number // len(emotions) % 4}"
            rate_hz = 48000 if speaker == "small/2" else 16000
            rows.append((f"{corpus}/{number}", corpus, f"{number}.wav", speaker, emotion, "dogs", rate_hz, 1.0))
    names = ["clip", "corpus", "member", "speaker", "emotion", "sentence", "rate_hz", "seconds"]
    return pd.DataFrame(rows, columns=names)


def test_the_draw_is_bounded_even_and_repeatable() -> None:
    clips = made_clips()
    drawn = sample_clips(clips, 60, seed=1)
    assert len(drawn) == 60
    counts = drawn.groupby(["corpus", "emotion"]).size()
    assert len(counts) == 13
    assert counts.max() - counts.min() <= 1
    pd.testing.assert_frame_equal(drawn, sample_clips(clips, 60, seed=1))
    assert set(drawn["clip"]) != set(sample_clips(clips, 60, seed=2)["clip"])


def test_what_is_there_is_drawn_where_more_is_asked_for() -> None:
    clips = made_clips()
    pd.testing.assert_frame_equal(sample_clips(clips, 10_000, seed=1), clips)


def test_examples_are_of_one_speaker_and_sentence_with_all_classes_at_the_highest_rate() -> None:
    examples = pick_examples(made_clips(), seed=1)
    assert examples["emotion"].tolist() == list(EMOTIONS)
    assert set(examples["speaker"]) == {"small/2"}


def test_a_class_that_the_speaker_lacks_comes_from_another() -> None:
    clips = made_clips()
    clips = clips[(clips["corpus"] == "big") | (clips["emotion"] == "surprise")]
    examples = pick_examples(clips, seed=1)
    assert examples["emotion"].tolist() == list(EMOTIONS)
    assert examples["corpus"].tolist() == ["big"] * 6 + ["small"]


def test_a_class_that_nobody_has_is_left_out() -> None:
    clips = made_clips()
    assert pick_examples(clips[clips["corpus"] == "big"], seed=1)["emotion"].tolist() == list(EMOTIONS[:-1])


class Voices:
    """Recordings of a voice after 0.1 s of silence. The number in the name is the pitch; 0 is a hiss."""

    path = Path("made.zip")
    name = "made"

    def read(self, member: str) -> bytes:
        number = int(member.removesuffix(".wav"))
        seconds = np.arange(RATE_HZ // 2) / RATE_HZ
        voice = sum(np.sin(2 * np.pi * (100 + 10 * number) * harmonic * seconds) / harmonic for harmonic in range(1, 9))
        sound = voice if number else np.random.default_rng(1).normal(size=len(seconds))
        file = io.BytesIO()
        samples = np.concatenate([np.zeros(RATE_HZ // 10), sound])
        soundfile.write(file, samples, RATE_HZ, format="WAV", subtype="FLOAT")
        return file.getvalue()


def test_measurements_stand_beside_their_clips() -> None:
    clips = made_clips().iloc[:6]
    found = measure_clips(clips, {"big": Voices()}, silent_below_db=40.0)
    assert found.table["clip"].tolist() == clips["clip"].tolist()
    assert found.spectra.shape[0] == 6
    assert found.table["pitch_hz"].tolist()[1:] == pytest.approx([110, 120, 130, 140, 150], rel=0.01)
    assert np.isnan(found.table["pitch_hz"].iloc[0])
    assert found.table["voiced_share"].iloc[0] < 0.05
    assert (found.table["pitch_semitones"].iloc[1:] < 0.5).all()
    assert found.table["lead_seconds"].tolist() == pytest.approx([0.1] * 6, abs=0.011)
    assert found.table["tail_seconds"].tolist() == pytest.approx([0.0] * 6, abs=0.011)


def test_a_failure_to_read_is_not_swallowed() -> None:
    class Gone(Voices):
        def read(self, member: str) -> bytes:
            raise OSError(f"{member}: gone")

    with pytest.raises(OSError, match=r"0\.wav: gone"):
        measure_clips(made_clips().iloc[:3], {"big": Gone()}, silent_below_db=40.0)
