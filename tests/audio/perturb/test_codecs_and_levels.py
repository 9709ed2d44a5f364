"""The telephone's band, mu-law's error, codecs that keep time, and levels."""

import io

import numpy as np
import pytest
import soundfile

from deepemo.audio.io.decode import read_recording
from deepemo.audio.perturb.codecs import Codec, coded, encode, mu_law, telephone
from deepemo.audio.perturb.levels import clipped, gained, to_16_bits
from deepemo.audio.samples import rms

RATE_HZ = 16_000
CODECS: list[tuple[Codec, int]] = [("mp3", 8), ("mp3", 16), ("mp3", 32), ("opus", 6), ("opus", 8), ("opus", 24)]


def tone(hz: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(2 * rate_hz) / rate_hz)).astype(np.float32)


def middle(samples: np.ndarray) -> np.ndarray:
    return samples[len(samples) // 4 : -len(samples) // 4]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_the_telephone_passes_its_band_and_nothing_else(rate_hz: int) -> None:
    for hz, least_db, most_db in ((1000, -0.2, 0.2), (300, -3.3, -2.7), (3400, -3.3, -2.7), (100, -200.0, -50.0)):
        before = tone(hz, rate_hz)
        after = telephone(before, rate_hz)
        assert after.shape == before.shape
        gain_db = 20 * np.log10(max(rms(middle(after)), 1e-9) / rms(middle(before)))
        assert least_db <= gain_db <= most_db
    if rate_hz > 8_000:
        assert rms(middle(telephone(tone(5000, rate_hz), rate_hz))) < 1e-3


def test_mu_law_errs_by_half_a_step_of_its_curve() -> None:
    samples = np.linspace(-1.2, 1.2, 100_001).astype(np.float32)
    found, limited = mu_law(samples), np.clip(samples, -1.0, 1.0)
    # 127 steps either side on y = ln(1 + 255 x) / ln 256, whose inverse has the slope (1 + 255 x) ln 256 / 255.
    bound = 0.5 / 127 * np.log(256) / 255 * (1 + 255 * np.abs(limited)) * np.exp(0.5 / 127 * np.log(256))
    assert (np.abs(found - limited) <= bound + 1e-7).all()
    assert len(np.unique(found)) == 255
    assert found[len(found) // 2] == 0.0


def test_mu_law_is_as_exact_as_the_g711_of_libsndfile() -> None:
    speech_like = (0.05 * np.random.default_rng(1).laplace(size=20_000)).clip(-1, 1).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, speech_like, 8_000, format="WAV", subtype="ULAW")
    file.seek(0)
    g711, _ = soundfile.read(file, dtype="float32")
    errors = [20 * np.log10(rms(speech_like) / rms(each - speech_like)) for each in (mu_law(speech_like), g711)]
    assert errors[0] == pytest.approx(errors[1], abs=1.0)


def spoken(speech: np.ndarray, rate_hz: int) -> np.ndarray:
    return np.interp(np.arange(0, len(speech), RATE_HZ / rate_hz), np.arange(len(speech)), speech).astype(np.float32)


@pytest.mark.parametrize(("codec", "kbps"), CODECS)
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_a_codec_keeps_length_and_time(speech: np.ndarray, codec: Codec, kbps: int, rate_hz: int) -> None:
    before = spoken(speech, rate_hz)
    after = coded(before, rate_hz, codec, kbps=kbps)
    assert (after.dtype, after.shape) == (np.float32, before.shape)
    size = 2 ** int(np.ceil(np.log2(2 * len(before))))
    correlation = np.fft.irfft(np.fft.rfft(before, size).conj() * np.fft.rfft(after, size))
    lag = int(correlation.argmax())
    assert min(lag, size - lag) <= rate_hz // 4000  # a quarter of a millisecond
    assert correlation.max() / (np.linalg.norm(before) * np.linalg.norm(after)) > 0.7
    assert np.abs(after - before).max() > 1e-3


@pytest.mark.parametrize(("codec", "kbps"), CODECS)
def test_a_codec_has_about_its_rate_and_is_decoded_whole(speech: np.ndarray, codec: Codec, kbps: int) -> None:
    content = encode(speech, RATE_HZ, codec, kbps=kbps)
    recording = read_recording(content, name=codec)
    assert recording.remarks == ()
    assert len(recording.samples) / recording.rate_hz == pytest.approx(len(speech) / RATE_HZ, abs=0.001)
    assert len(content) * 8 / (len(speech) / RATE_HZ) == pytest.approx(1000 * kbps, rel=0.5)


def test_the_same_clip_sounds_the_same_again(speech: np.ndarray) -> None:
    for codec, kbps in CODECS[::3]:
        assert coded(speech, RATE_HZ, codec, kbps=kbps).tobytes() == coded(speech, RATE_HZ, codec, kbps=kbps).tobytes()


def test_a_tenth_of_a_second_is_coded_too() -> None:
    for codec, kbps in CODECS:
        assert coded(tone(500)[:1600], RATE_HZ, codec, kbps=kbps).shape == (1600,)


def test_gain_and_clipping() -> None:
    samples = tone(503)
    assert rms(gained(samples, -20.0)) == pytest.approx(0.1 * rms(samples), rel=1e-5)
    cut = clipped(samples, below_peak_db=6.0206)
    assert np.abs(cut).max() == pytest.approx(0.25, abs=1e-4)
    # A sine is over half its peak for two thirds of the time.
    assert np.mean(np.abs(cut) > 0.2499) == pytest.approx(2 / 3, abs=0.01)
    assert clipped(np.zeros(3, np.float32), below_peak_db=6.0).tolist() == [0, 0, 0]


def test_rounding_to_16_bits() -> None:
    rounded = to_16_bits(np.array([0.6 / 32768, 1.5, -1.5, 0.25], dtype=np.float32))
    assert rounded.tolist() == [1 / 32768, 32767 / 32768, -1.0, 0.25]
