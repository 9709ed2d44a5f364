"""Verdicts of the gate are counted by kind, and what it was not asked about is counted apart."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.gate_elsewhere import SOUNDS, SPEECH, rows, verdict, verdicts
from deepemo.errors import InputError
from deepemo.serving.hearing import NOT_SPEECH
from deepemo.serving.results import Reason, unknown
from tests.fixtures.serving import RATE_HZ, to_wav, tone


def test_the_verdict_tells_the_opinions_apart(recognizer, speech) -> None:
    assert verdict(recognizer.recognize(speech, RATE_HZ)) == (True, True)
    assert verdict(recognizer.recognize(speech / 5, RATE_HZ)) == (True, True), "unsure, but a voice"
    assert verdict(recognizer.recognize(tone(3), RATE_HZ)) == (False, False)
    assert verdict(unknown(Reason.NO_VOICE, model="m", recording=None, detail=NOT_SPEECH)) == (True, False)
    assert verdict(recognizer.recognize(tone(0.2), RATE_HZ)) is None
    assert verdict(recognizer.recognize(np.zeros(RATE_HZ, np.float32), RATE_HZ)) is None


def test_recordings_are_counted_by_the_folder_that_holds_them(recognizer, speech, tmp_path: Path) -> None:
    for name, samples in (("talk/a.wav", speech), ("talk/deeper/b.wav", speech), ("tones/c.wav", tone(3))):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(to_wav(samples))
    (tmp_path / "tones" / "d.wav").write_bytes(b"no sound")
    found = list(verdicts(recognizer, tmp_path))
    assert found == [("talk", (True, True)), ("talk", (True, True)), ("tones", (False, False)), ("tones", None)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no recordings"):
        list(verdicts(recognizer, tmp_path / "empty"))


def test_speech_is_wrong_when_rejected_and_a_sound_when_accepted() -> None:
    found = [("a_b", (True, False)), ("a_b", (True, True)), ("c", (False, False)), ("c", None)]
    spoken, sounding = list(rows(SPEECH, found)), list(rows(SOUNDS, found))
    assert [row[:4] for row in spoken] == [
        (SPEECH, "a b", "2", "0"),
        (SPEECH, "c", "1", "1"),
        (SPEECH, "all", "3", "1"),
    ]
    assert [[cell.split(" (")[0] for cell in row[4:]] for row in spoken] == [
        ["0.0 %", "50.0 %"],
        ["100.0 %", "100.0 %"],
        ["33.3 %", "66.7 %"],
    ]
    assert [cell.split(" (")[0] for cell in sounding[-1][4:]] == ["66.7 %", "33.3 %"]
    assert next(rows(SOUNDS, [("x", None)]))[4:] == ("-", "-")
