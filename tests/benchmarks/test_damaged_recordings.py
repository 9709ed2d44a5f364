"""A small part of the matrix of `benchmarks.damaged_recordings`, in which every way to read a file must survive."""

import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.damaged_recordings import Format, Outcome, Worker, damaged, libsndfile_formats, read, report, try_format
from deepemo.corpora.archive import Archive
from deepemo.corpora.registry import CORPORA
from deepemo.dataset.inspect import inspect_recording
from deepemo.dataset.verdicts import REASONS
from deepemo.params import VoiceDecision
from deepemo.serving.bundle import ClipLimits
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.results import Reason
from tests.fixtures.serving import LoudnessModel

PHONES_AND_BROWSERS = [
    Format("PyAV", "mov", "aac"),
    Format("PyAV", "mp4", "alac"),
    Format("PyAV", "webm", "libopus"),
    Format("PyAV", "matroska", "pcm_s16le"),
    Format("PyAV", "adts", "aac"),
    Format("PyAV", "ogg", "libopus"),
    Format("PyAV", "flac", "flac"),
    Format("PyAV", "mp3", "libmp3lame"),
    Format("PyAV", "caf", "adpcm_ima_qt"),
    Format("PyAV", "wav", "g722"),
    Format("PyAV", "wav", "adpcm_ms"),
    Format("PyAV", "amr", "libopencore_amrnb"),
    Format("PyAV", "avi", "mp3"),
]


@pytest.mark.slow
@pytest.mark.parametrize("made", [*libsndfile_formats(), *PHONES_AND_BROWSERS], ids=str)
def test_every_format_is_decoded_or_refused_by_one_error(made: Format) -> None:
    outcome = try_format(made, damages=2)
    assert outcome.faults == []
    assert sum(outcome.of_whole.values()) > 0
    assert outcome.of_whole["partial"] == 0
    assert set(outcome.of_whole + outcome.of_damaged) <= {"whole", "partial", "refused"}


def test_a_frame_that_announces_41_channels_crashes_nothing() -> None:
    """PyAV's `to_ndarray` reads memory outside the frame if there are more than 8."""
    made = Format("PyAV", "adts", "aac")
    whole = made.make(8_000, 1)
    contents = [whole, *damaged(whole, f"{made} at 8000 Hz, 1 channels", 79)]
    assert Counter(read(content, 0) for content in contents[70:])["partial"] > 0


@pytest.fixture
def bad_files() -> list[bytes]:
    """One of each kind of damage to a few formats."""
    formats = [Format("libsndfile", "WAV", "GSM610"), Format("libsndfile", "FLAC", "PCM_16"), *PHONES_AND_BROWSERS[:3]]
    return [content for made in formats for content in damaged(made.make(8_000, 1), str(made), 3)]


def test_a_recognizer_answers_them_all(bad_files: list[bytes]) -> None:
    gate = VoiceDecision(voice_threshold=1.0, min_voice_share=1.0, min_voice_seconds=100.0)
    limits = ClipLimits(min_seconds=0.1, silent_below_dbfs=-75.0)
    recognizer = Recognizer(LoudnessModel(), gate=gate, limits=limits)  # nobody speaks long enough
    reasons = Counter(recognizer.recognize(content).reason for content in bad_files)
    assert set(reasons) <= {Reason.UNDECODABLE, Reason.TOO_SHORT, Reason.NO_VOICE, Reason.SILENT}
    assert reasons[Reason.UNDECODABLE] > 0
    assert reasons[Reason.NO_VOICE] > 0


def test_validation_has_a_verdict_on_them_all(bad_files: list[bytes], tmp_path: Path) -> None:
    members = [f"{number}.wav" for number in range(len(bad_files))]
    with zipfile.ZipFile(tmp_path / "savee.zip", "w") as archive:
        for member, content in zip(members, bad_files, strict=True):
            archive.writestr(member, content)
    gate = VoiceDecision(voice_threshold=0.5, min_voice_share=0.1, min_voice_seconds=0.2)
    raw = Archive(tmp_path / "savee.zip")
    found = [inspect_recording(CORPORA["savee"], member, raw, gate) for member in members]
    reasons = Counter(reason for inspection in found for reason in inspection.faults)
    assert set(reasons) <= set(REASONS)
    assert reasons["truncated"] > 0
    assert reasons["undecodable"] > 0


def test_a_damaged_file_is_the_same_each_time() -> None:
    whole = np.random.default_rng(0).bytes(1000)
    assert list(damaged(whole, "a", 20)) == list(damaged(whole, "a", 20))
    assert list(damaged(whole, "a", 20)) != list(damaged(whole, "b", 20))
    assert list(map(len, damaged(whole, "a", 0))) == [100 * tenth for tenth in range(1, 10)]


@pytest.mark.slow
def test_a_process_that_ends_in_the_middle_is_told_and_started_anew() -> None:
    worker = Worker(1)
    worker._process.kill()
    worker._process.join()
    made = Format("libsndfile", "WAV", "PCM_16")
    lost = worker.run(made)
    assert (lost.of_damaged["crash or hang"], len(lost.faults)) == (1, 1)
    assert worker.run(made).of_whole["whole"] == 6
    worker.close()


def test_the_table_has_a_row_a_container() -> None:
    outcomes = {
        Format("libsndfile", "WAV", "PCM_16"): Outcome(Counter(whole=2), Counter(partial=3, refused=1)),
        Format("libsndfile", "WAV", "ALAW"): Outcome(Counter(whole=1), Counter({"another exception": 4})),
    }
    text = report(outcomes, damages=3)
    assert "11 files" in text
    assert "| libsndfile | WAV | 2 | 3 | 0 | 0 | 0 | 3 | 1 | 4 | 0 |" in text
