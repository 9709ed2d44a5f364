"""A stream is answered at each hop from the windows of a file, and at its end like the file itself."""

import itertools

import numpy as np
import pytest

from deepemo.errors import DecodeError, InputError, TooLongError
from deepemo.params import VoiceDecision
from deepemo.serving.live import LiveStream
from deepemo.serving.options import RecognitionOptions
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.results import VoiceUse
from tests.fixtures.serving import LIMITS, RATE_HZ, LoudnessModel, to_wav, tone

DEFAULTS = RecognitionOptions()


def stream(recognizer, samples, *, rate_hz=RATE_HZ, chunk=1600, options=DEFAULTS, voice=None):
    """All answers to samples [n] or [n, channels] that come in chunks, and the recognition at the end."""
    columns = samples[:, None] if samples.ndim == 1 else samples
    live = LiveStream(recognizer, options, rate_hz=rate_hz, channels=columns.shape[1], voice=voice)
    answers = []
    for start in range(0, len(columns), chunk):
        live.add(columns[start : start + chunk])
        for answer in live.answers():
            assert answer.window.end_seconds <= live.seconds + 1e-6
            answers.append(answer)
    return answers, live.finish()


@pytest.fixture
def talk(speech) -> np.ndarray:
    """Loud speech, a long pause and quiet speech, at levels that the made-up model tells apart."""
    return np.concatenate([3 * speech, speech, np.zeros(4 * RATE_HZ, np.float32), 3 * speech, 0.5 * speech])


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [160, 1600, 7001, 10**9])
def test_the_windows_are_those_of_the_file(recognizer, talk, chunk) -> None:
    answers, whole = stream(recognizer, talk, chunk=chunk)
    of_file = recognizer.recognize(talk, RATE_HZ)
    assert whole.model_copy(update={"recording": None}) == of_file.model_copy(update={"recording": None})
    assert whole.recording.model_copy(update={"container": "samples"}) == of_file.recording
    windows = {window.start_seconds: window for window in of_file.timeline.windows}
    full = [answer.window for answer in answers if answer.is_full]
    assert [window.start_seconds for window in full] == list(range(len(full)))
    assert len(full) == len(windows) - (0 if (len(talk) / RATE_HZ - 2.5) % 1 == 0 else 1)
    alike = sum(window == windows[window.start_seconds] for window in full)
    # The stream decides on voice from a few seconds, the file from the whole. At most one window at the
    # edge of a pause differs.
    assert alike >= len(full) - 1
    for window in full:
        if window.probabilities and windows[window.start_seconds].probabilities:
            assert window.probabilities == windows[window.start_seconds].probabilities


@pytest.mark.slow
@pytest.mark.parametrize("rate_hz", [8000, 44_100, 48_000])
def test_other_rates_give_the_windows_of_the_file_too(recognizer, talk, rate_hz) -> None:
    from deepemo.audio.samples import resample

    at_rate = resample(talk, RATE_HZ, rate_hz)
    answers, whole = stream(recognizer, at_rate, rate_hz=rate_hz, chunk=rate_hz // 10)
    of_file = recognizer.recognize(at_rate, rate_hz)
    assert whole.probabilities == of_file.probabilities
    windows = {window.start_seconds: window for window in of_file.timeline.windows}
    full = [answer.window for answer in answers if answer.is_full]
    assert len(full) > 5
    # Sound that is resampled as it arrives equals sound that is resampled as a whole, to the last bit.
    assert sum(window == windows[window.start_seconds] for window in full) >= len(full) - 1


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1600, 10**9])
def test_windows_far_apart_are_those_of_the_file(recognizer, talk, chunk) -> None:
    """The distance between them is more than the context of the voice gate."""
    long = np.concatenate([talk, 0.4 * talk, talk])
    answers, _ = stream(recognizer, long, chunk=chunk, options=RecognitionOptions(hop_seconds=12))
    of_file = recognizer.recognize(long, RATE_HZ, hop_seconds=12)
    windows = {window.start_seconds: window for window in of_file.timeline.windows}
    full = [answer.window for answer in answers if answer.is_full]
    assert [window.start_seconds for window in full] == [0, 12, 24, 36][: len(windows) - 1]
    assert len({window.answer for window in full}) > 1
    assert [window == windows[window.start_seconds] for window in full] == [True] * len(full)


@pytest.mark.slow
def test_windows_that_the_model_takes_for_another_sound_are_no_voice(recognizer, model, talk) -> None:
    def quiet_alone(inputs):
        rows = model.probabilities(inputs)
        rows[inputs[0][:, 0] > 0.2] = np.nan
        return rows

    refusing = recognizer.with_predict(quiet_alone)
    answers, whole = stream(refusing, talk)
    assert {answer.window.answer for answer in answers} == {"unknown", "happy"}
    assert {answer.window.reason for answer in answers} >= {"no_voice", None}
    assert answers[-1].so_far.answer == whole.answer == "happy"
    assert not any(np.isnan(list((answer.so_far.probabilities or {}).values())).any() for answer in answers)


@pytest.mark.slow
def test_answers_come_before_a_window_is_full(recognizer, talk) -> None:
    answers, _ = stream(recognizer, talk)
    ends = [answer.window.end_seconds for answer in answers]
    assert ends[:5] == [1, 2, 2.5, 3.5, 4.5]
    assert [answer.is_full for answer in answers[:4]] == [False, False, True, True]
    assert all(after - before <= 1 for before, after in itertools.pairwise(ends))


@pytest.mark.slow
def test_the_answer_so_far_is_the_mean_over_windows_with_speech(recognizer, talk) -> None:
    answers, _ = stream(recognizer, talk)
    for number, answer in enumerate(answers):
        heard = [each.window.probabilities for each in answers[: number + 1] if each.is_full]
        known = [list(values.values()) for values in heard if values is not None]
        if known:
            assert list(answer.so_far.probabilities.values()) == pytest.approx(np.mean(known, axis=0))
    pause = [answer for answer in answers if answer.window.reason == "no_voice"]
    assert pause, "nobody speaks in the pause"
    assert pause[-1].so_far.probabilities is not None, "the answer so far outlasts it"


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.05, 0.5])
def test_a_voice_that_is_known_is_answered_with_its_reference_at_each_hop(comparing, level) -> None:
    sound = np.concatenate([tone(6, 0.1), tone(6, 0.15)])
    voice = comparing.make_reference([tone(2, level), tone(2, level + 0.1)], RATE_HZ)
    answers, whole = stream(comparing, sound, voice=voice)
    of_file = comparing.recognize(sound, RATE_HZ, voice=voice)
    assert whole.voice == VoiceUse(recordings=2, used=True)
    assert (whole.answer, whole.probabilities) == (of_file.answer, of_file.probabilities)
    windows = {window.start_seconds: window for window in of_file.timeline.windows}
    full = [answer.window for answer in answers if answer.is_full]
    assert len(full) > 8
    assert [window == windows[window.start_seconds] for window in full] == [True] * len(full)
    assert {window.answer for window in full} == ({"angry"} if level == 0.05 else {"sad"})


def test_a_reference_that_is_not_used_changes_no_answer(comparing) -> None:
    few = comparing.make_reference([tone(2, 0.1)], RATE_HZ)
    live = LiveStream(comparing, DEFAULTS, rate_hz=RATE_HZ, voice=few)
    assert live.voice_use == VoiceUse(
        recordings=1, used=False, reason="The reference rests on 1 recording, expected at least 2."
    )
    answers, whole = stream(comparing, tone(6, 0.4), voice=few)
    alone, _ = stream(comparing, tone(6, 0.4))
    assert answers == alone
    assert whole.voice == live.voice_use
    assert LiveStream(comparing, DEFAULTS, rate_hz=RATE_HZ).voice_use is None


def test_silence_and_noise_are_no_voice(recognizer) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 6 * RATE_HZ).astype(np.float32)
    for samples, reason in ((np.zeros(6 * RATE_HZ, np.float32), "silent"), (noise, "no_voice")):
        answers, whole = stream(recognizer, samples)
        assert {answer.window.reason for answer in answers} == {"no_voice"}
        assert answers[-1].so_far.answer == "unknown"
        assert whole.reason == reason


def test_short_streams_end_as_short_files_do(recognizer, speech) -> None:
    for samples in (np.zeros(0, np.float32), speech[:4000], speech[:20_000], speech):
        _, whole = stream(recognizer, samples)
        expected = recognizer.recognize(to_wav(samples, subtype="FLOAT"))
        assert (whole.answer, whole.reason, whole.probabilities) == (
            *(expected.answer, expected.reason, expected.probabilities),
        )


def test_two_channels_end_as_those_of_a_file(trusting) -> None:
    call = np.stack([tone(6), -tone(6)], axis=1)
    _, whole = stream(trusting, call)
    expected = trusting.recognize(call, RATE_HZ)
    assert whole.recording.remarks == expected.recording.remarks
    assert whole.probabilities == expected.probabilities
    quiet = np.stack([tone(6), tone(6, 0.1)], axis=1)
    _, second = stream(trusting, quiet, options=RecognitionOptions(channel=1))
    assert (second.answer, second.recording.channel) == ("happy", 1)


def test_limits(recognizer) -> None:
    live = LiveStream(recognizer, RecognitionOptions(max_seconds=2), rate_hz=8000)
    live.add(np.zeros((16_000, 1), np.float32))
    with pytest.raises(TooLongError, match="longer than 2 s"):
        live.add(np.zeros((1, 1), np.float32))
    fast = LiveStream(recognizer, RecognitionOptions(max_seconds=2), rate_hz=192_000)
    fast.add(np.zeros((96_000, 1), np.float32))
    with pytest.raises(TooLongError, match=r"longer than 0\.5 s, the most that is accepted at 192000 Hz"):
        fast.add(np.zeros((1, 1), np.float32))
    with pytest.raises(DecodeError, match="NaN"):
        LiveStream(recognizer, DEFAULTS, rate_hz=8000).add(np.full((3, 1), np.nan, np.float32))
    for bad in ({"rate_hz": 1}, {"rate_hz": 10**7}, {"rate_hz": 8000, "channels": 0}, {"rate_hz": 8000, "channels": 3}):
        name = list(bad)[-1]
        with pytest.raises(InputError, match=f"Bad {name} {bad[name]}, expected"):
            LiveStream(recognizer, DEFAULTS, **bad)


@pytest.mark.slow
def test_what_was_answered_is_not_kept_twice(recognizer, talk) -> None:
    live = LiveStream(recognizer, DEFAULTS, rate_hz=RATE_HZ)
    for _ in range(10):
        live.add(talk[:, None])
        list(live.answers())
    assert sum(map(len, live._recent)) < 12 * RATE_HZ


def test_a_stream_is_answered_by_a_model_of_fewer_emotions():
    three = ("angry", "happy", "sad")
    any_sound = VoiceDecision(voice_threshold=0.0, min_voice_share=0.0, min_voice_seconds=0.0)
    recognizer = Recognizer(LoudnessModel(three), gate=any_sound, limits=LIMITS)
    live = LiveStream(recognizer, DEFAULTS, rate_hz=RATE_HZ)
    live.add(tone(6)[:, np.newaxis])
    answers = list(live.answers())
    assert any(answer.is_full for answer in answers)
    for answer in answers:
        assert tuple(answer.window.probabilities) == tuple(answer.so_far.probabilities) == three
        assert answer.so_far.answer == "angry"
    assert tuple(live.finish().probabilities) == three
