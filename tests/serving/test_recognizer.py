import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from deepemo.audio.io.decode import OPPOSITE_POLARITY, PARTIAL, REMARKS
from deepemo.errors import InputError
from deepemo.serving.batching import Inputs
from deepemo.serving.bundle import ClipLimits
from deepemo.serving.hearing import Predict
from deepemo.serving.options import RecognitionOptions
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.results import Reason
from tests.fixtures.serving import GATE, RATE_HZ, LoudnessModel, tone


def test_speech_is_answered_from_path_bytes_and_samples(recognizer, speech, wav, tmp_path: Path):
    path = tmp_path / "voice.wav"
    path.write_bytes(wav(speech))
    answers = [
        recognizer.recognize(path),
        recognizer.recognize(str(path)),
        recognizer.recognize(path.read_bytes()),
        recognizer.recognize(speech, RATE_HZ),
    ]
    assert {answer.answer for answer in answers} == {"happy"}
    assert all(answer.reason is None and answer.confidence == pytest.approx(0.88) for answer in answers)
    assert answers[0].recording.voice_share > 0.4
    assert answers[0].recording.seconds == pytest.approx(len(speech) / RATE_HZ)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (tone(0.49), "too_short"),
        (np.zeros(0, np.float32), "too_short"),
        (np.zeros(RATE_HZ, np.float32), "silent"),
        (tone(2, amplitude=2e-4), "silent"),  # -77 dBFS
        (tone(2, amplitude=3e-4), "no_voice"),  # -73.5 dBFS
        (tone(3), "no_voice"),
        (np.random.default_rng(1).normal(0, 0.1, 3 * RATE_HZ).astype(np.float32), "no_voice"),
        (np.full(RATE_HZ, np.nan, np.float32), "undecodable"),
    ],
)
def test_what_is_no_speech_is_unknown_with_its_reason(recognizer, model, samples, reason):
    answer = recognizer.recognize(samples, RATE_HZ)
    assert (answer.answer, answer.reason) == ("unknown", reason)
    assert answer.explanation == Reason(reason).explanation
    assert answer.probabilities is None
    assert model.batches == [], "the model must not be asked about what is no speech"


def not_speech(model: LoudnessModel, level: float) -> Predict:
    """The model's probabilities, but it takes clips louder than this for other sounds."""

    def predict(inputs: Inputs) -> np.ndarray:
        rows = model.probabilities(inputs)
        rows[inputs[0][:, 0] > level] = np.nan
        return rows

    return predict


def test_what_the_model_takes_for_another_sound_is_no_voice(recognizer, model, speech):
    answer = recognizer.with_predict(not_speech(model, 0.0)).recognize(speech, RATE_HZ)
    assert (answer.answer, answer.reason, answer.probabilities) == ("unknown", "no_voice", None)
    assert "takes them for another sound" in answer.detail
    assert answer.recording.voice_share > 0.4, "the first opinion still stands in the answer"
    assert recognizer.recognize(speech, RATE_HZ).answer == "happy"


def test_windows_that_the_model_takes_for_another_sound_do_not_count(trusting, model):
    recording = np.concatenate([tone(8, 0.5), tone(8, 0.12)])
    whole = trusting.recognize(recording, RATE_HZ, hop_seconds=1.0)
    quiet = trusting.with_predict(not_speech(model, 0.2)).recognize(recording, RATE_HZ, hop_seconds=1.0)
    assert (whole.answer, quiet.answer) == ("unknown", "happy")
    assert [segment.answer for segment in quiet.timeline.segments][-1] == "happy"
    reasons = [window.reason for window in quiet.timeline.windows]
    assert reasons[0] == "no_voice"
    assert reasons[-1] is None


def test_its_limits_are_those_that_it_is_given(model, speech):
    strict = Recognizer(model, gate=GATE, limits=ClipLimits(min_seconds=1.5, silent_below_dbfs=-15.0))
    assert strict.recognize(tone(1.4), RATE_HZ).detail == "1.40 s, expected at least 1.5 s"
    assert strict.recognize(speech, RATE_HZ).detail == "-20 dBFS, expected at least -15 dBFS"
    assert strict.with_predict(model.probabilities).recognize(speech, RATE_HZ).reason == "silent"
    assert model.batches == []


def test_a_quiet_voice_is_unsure_unless_every_answer_is_wanted(recognizer, speech):
    answer = recognizer.recognize(speech / 5, RATE_HZ)
    assert (answer.answer, answer.reason) == ("unknown", "unsure")
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert recognizer.recognize(speech / 5, RATE_HZ, min_confidence=0).answer == "angry"  # the first of equals
    assert recognizer.recognize(speech, RATE_HZ, min_confidence=0.9).reason == "unsure"


def test_silence_around_speech_takes_nothing_away(recognizer, speech):
    quiet = np.zeros(8 * RATE_HZ, np.float32)
    answer = recognizer.recognize(np.concatenate([quiet, speech, quiet]), RATE_HZ)
    assert answer.reason != "no_voice"


def test_channels_are_averaged_and_counted(trusting):
    answer = trusting.recognize(np.stack([tone(2), tone(2)], axis=1), RATE_HZ)
    assert answer.recording.channels == 2
    assert answer.recording.rms_dbfs == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)


def test_channels_that_cancel_one_another_are_not_silent(recognizer, speech, wav):
    stereo = np.stack([speech, -speech], axis=1)
    for answer in (recognizer.recognize(stereo, RATE_HZ), recognizer.recognize(wav(stereo))):
        assert answer.answer == "happy"
        assert answer.recording.channels == 2
        assert answer.recording.channel is not None
        assert [remark.remark for remark in answer.recording.remarks] == [OPPOSITE_POLARITY]
        [remark] = answer.to_dict()["recording"]["remarks"]
        assert remark["explanation"] == REMARKS[OPPOSITE_POLARITY]


def test_each_channel_may_be_heard_by_itself(trusting, wav):
    call = wav(np.stack([tone(2, 0.5), tone(2, 0.1)], axis=1))
    assert trusting.recognize(call, channel=0).answer == "angry"
    assert trusting.recognize(call, channel=1).answer == "happy"
    each = trusting.recognize_each(call, options=RecognitionOptions(timeline=False))
    assert [(answer.answer, answer.recording.channel) for answer in each] == [("angry", 0), ("happy", 1)]
    assert [answer.reason for answer in trusting.recognize_each(b"no sound")] == ["undecodable"]
    [mono] = trusting.recognize_each(tone(2), RATE_HZ)
    assert mono.recording.remarks == ()
    [many] = trusting.recognize_each(np.zeros((8000, 33), np.float32), RATE_HZ)
    assert many.detail == "33 channels, expected at most 32 if each is to be heard"


def test_a_cut_recording_is_answered_with_a_remark(recognizer, speech, wav):
    whole = wav(np.tile(speech, 2))
    answer = recognizer.recognize(whole[: len(whole) * 2 // 3])
    assert answer.answer == "happy"
    [remark] = answer.recording.remarks
    assert remark.remark == PARTIAL
    assert "before the end of its sound" in remark.detail


def test_a_long_recording_gets_windows_and_joined_segments(trusting, model):
    recording = np.concatenate([tone(8, 0.5), tone(8, 0.12)])
    answer = trusting.recognize(recording, RATE_HZ, hop_seconds=1.0)
    line = answer.timeline
    # Windows with a second of the loud half still count as loud. Where half of the windows are loud, neither answer
    # stands out.
    assert [segment.answer for segment in line.segments] == ["angry", "unknown", "happy"]
    assert (line.segments[1].start_seconds, line.segments[1].end_seconds) == (8, 9)
    assert line.segments[1].reason == "unsure"
    assert line.windows[0].start_seconds == 0
    assert line.windows[-1].end_seconds == pytest.approx(16)
    assert sum(model.batches) == len(line.windows) == 15
    assert trusting.recognize(recording, RATE_HZ, timeline=False).timeline is None


@pytest.mark.parametrize(("seconds", "window_seconds"), [(3.6, 3.5), (5.0, 3.5), (5.1, 2.5), (30.0, 2.5)])
def test_windows_hold_a_slow_sentence_or_a_usual_one(trusting, seconds, window_seconds):
    line = trusting.recognize(tone(seconds), RATE_HZ).timeline
    assert line.window_seconds == pytest.approx(window_seconds)
    lengths = {round(window.end_seconds - window.start_seconds, 6) for window in line.windows}
    assert lengths == {window_seconds}
    assert line.windows[-1].end_seconds == pytest.approx(seconds)


def test_no_window_is_longer_than_a_clip(trusting, model):
    model.front_end.clip_seconds = 1.5
    assert trusting.recognize(tone(10), RATE_HZ).timeline.window_seconds == pytest.approx(1.5)


def test_segments_cover_a_recording_without_gap_or_overlap(trusting):
    rng = np.random.default_rng(3)
    for seconds in (3.6, 4.0, 7.25, 11.9):
        for hop_seconds in (0.25, 1.0, 2.7):
            levels = np.repeat(rng.uniform(0.01, 0.6, 24), RATE_HZ // 2)[: int(seconds * RATE_HZ)]
            segments = trusting.recognize(
                tone(seconds, 1.0)[: len(levels)] * levels.astype(np.float32), RATE_HZ, hop_seconds=hop_seconds
            ).timeline.segments
            assert segments[0].start_seconds == 0
            assert segments[-1].end_seconds == pytest.approx(len(levels) / RATE_HZ)
            for before, after in pairwise(segments):
                assert before.end_seconds == after.start_seconds
                assert (before.answer, before.reason) != (after.answer, after.reason)


def test_a_pause_in_a_long_recording_is_a_segment_without_voice(recognizer, speech):
    pause = np.zeros(6 * RATE_HZ, np.float32)
    line = recognizer.recognize(np.concatenate([speech, pause, speech]), RATE_HZ).timeline
    assert [segment.reason for segment in line.segments] == [None, "no_voice", None]
    pause_heard = line.segments[1]
    assert pause_heard.probabilities is None
    assert pause_heard.end_seconds - pause_heard.start_seconds > 4


def test_too_long_is_answered_not_raised(recognizer, wav):
    assert recognizer.recognize(tone(3), RATE_HZ, max_seconds=2).reason == "too_long"
    assert recognizer.recognize(wav(tone(3)), max_seconds=2).reason == "too_long"


@pytest.mark.parametrize("samples", [np.full(RATE_HZ, 2e12, np.float32), -tone(1, 3e38)])
def test_samples_whose_squares_may_be_infinite_are_undecodable(trusting, wav, tmp_path, samples):
    content = wav(samples, subtype="FLOAT")
    (tmp_path / "a.wav").write_bytes(content)
    for answer in (
        trusting.recognize(samples, RATE_HZ),
        trusting.recognize(content),
        trusting.recognize(tmp_path / "a.wav"),
    ):
        assert answer.reason == "undecodable"
        assert "expected at most 1e+12, full scale at 1" in answer.detail
    assert trusting.recognize(samples / np.float32(1e30), RATE_HZ).reason != "undecodable"


def test_misuse_is_an_error_that_says_what_was_expected(recognizer):
    with pytest.raises(InputError, match="rate_hz"):
        recognizer.recognize(tone(1))
    with pytest.raises(InputError, match="int16"):
        recognizer.recognize(np.zeros(100, np.int16), RATE_HZ)
    with pytest.raises(FileNotFoundError):
        recognizer.recognize("nowhere.wav")


@pytest.mark.parametrize(
    "options",
    [
        {"hop_seconds": 1e308},
        {"hop_seconds": float("nan")},
        {"hop_seconds": 0.0},
        {"max_seconds": 1e308},
        {"max_seconds": 0.0},
        {"min_confidence": float("nan")},
        {"channel": 10**9},
        {"channel": -1},
        {"rate_hz": 10**9},
        {"rate_hz": 0},
    ],
)
def test_impossible_numbers_are_refused_by_name(trusting, options):
    [(name, value)] = options.items()
    with pytest.raises(InputError, match=re.escape(f"Bad {name} {value}, expected ")):
        trusting.recognize(tone(9), **{"rate_hz": RATE_HZ, **options})
