"""The feature path against numpy and scipy, and on sounds whose spectrogram is known."""

import json

import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from deepemo.audio.features import Featurizer, fit_length
from deepemo.audio.samples import trim_silence
from deepemo.audio.spec import FeatureSpec, check_bands
from deepemo.errors import InputError
from deepemo.params import Featurize

MEL = FeatureSpec(
    sample_rate_hz=16000,
    kind="mel",
    clip_seconds=1.0,
    trim_below_db=None,
    window_seconds=0.064,
    hop_seconds=0.02,
    mel_bands=64,
    min_hz=50.0,
    max_hz=8000.0,
    range_db=80.0,
)
LINEAR = MEL.model_copy(update={"kind": "spectrogram"})


def hz_to_mel(hz: np.ndarray | float) -> np.ndarray:
    return 2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0)


def reference(samples: np.ndarray, spec: FeatureSpec) -> np.ndarray:
    """The same features from scipy's STFT and a mel filter bank written from its definition (HTK book, 5.6)."""
    needed = (spec.frames - 1) * spec.hop_samples + spec.window_samples
    padded = np.pad(samples.astype(np.float64), (0, max(0, needed - len(samples))))
    window = scipy.signal.get_window("hann", spec.window_samples, fftbins=True)
    starts = np.arange(spec.frames) * spec.hop_samples
    framed = np.stack([padded[start : start + spec.window_samples] * window for start in starts])
    magnitude = np.abs(np.fft.rfft(framed, spec.fft_size))  # [frames, bins]
    hz = np.arange(magnitude.shape[1]) * spec.sample_rate_hz / spec.fft_size
    if spec.kind == "mel":
        edges = np.linspace(hz_to_mel(spec.min_hz), hz_to_mel(spec.max_hz), spec.mel_bands + 2)
        rising = (hz_to_mel(hz)[:, None] - edges[:-2]) / np.diff(edges)[:-1]
        falling = (edges[2:] - hz_to_mel(hz)[:, None]) / np.diff(edges)[1:]
        magnitude = magnitude @ np.clip(np.minimum(rising, falling), 0, None)
    else:
        magnitude = magnitude[:, (hz >= spec.min_hz) & (hz <= spec.max_hz)]
    decibel = 20 * np.log10(np.maximum(magnitude, 1e-5))
    return np.clip((decibel - decibel.max()) / spec.range_db + 1, 0, 1)


@pytest.mark.parametrize("spec", [MEL, LINEAR], ids=["mel", "spectrogram"])
def test_features_equal_an_independent_reference(spec: FeatureSpec) -> None:
    noise = np.random.default_rng(3).normal(0, 0.1, spec.clip_samples).astype(np.float32)
    noise[6000:9000] *= 0.001
    features = Featurizer(spec)(noise, spec.sample_rate_hz)
    assert features.shape == (spec.frames, spec.bands)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, reference(noise, spec), atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("hz", [200.0, 1000.0, 3333.0, 7000.0])
def test_a_tone_lights_the_band_of_its_frequency(hz: float) -> None:
    tone = np.sin(2 * np.pi * hz * np.arange(16000) / 16000).astype(np.float32)
    features = Featurizer(LINEAR)(tone, 16000)
    first, _ = LINEAR.bin_range
    found_hz = (features[10].argmax() + first) * 16000 / LINEAR.fft_size
    assert abs(found_hz - hz) <= 16000 / LINEAR.fft_size
    mel = Featurizer(MEL)(tone, 16000)
    centres = np.linspace(hz_to_mel(50.0), hz_to_mel(8000.0), 66)[1:-1]
    assert abs(centres[mel[10].argmax()] - hz_to_mel(hz)) <= centres[1] - centres[0]


@pytest.mark.parametrize("rate_hz", [8000, 22050, 24414, 44100, 48000])
def test_a_tone_stays_where_it_is_whatever_the_native_rate(rate_hz: int) -> None:
    tone = np.sin(2 * np.pi * 1000.0 * np.arange(rate_hz) / rate_hz).astype(np.float32)
    native = np.sin(2 * np.pi * 1000.0 * np.arange(16000) / 16000).astype(np.float32)
    features = Featurizer(LINEAR)
    ours, direct = features(tone, rate_hz), features(native, 16000)
    assert ours[25].argmax() == direct[25].argmax()
    loud = direct[5:40] > 0.6
    np.testing.assert_allclose(ours[5:40][loud], direct[5:40][loud], atol=0.01)


def test_loudness_does_not_change_the_features() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    features = Featurizer(MEL)
    np.testing.assert_allclose(features(noise, 16000), features(noise * 0.05, 16000), atol=1e-4)


def test_features_span_their_range() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    features = Featurizer(MEL)(noise, 16000)
    assert features.max() == pytest.approx(1.0)
    assert features.min() >= 0.0


def test_silence_is_all_zero_and_empty_input_too() -> None:
    features = Featurizer(MEL)
    assert not features(np.zeros(16000, np.float32), 16000).any()
    assert not features(np.zeros(0, np.float32), 16000).any()


def test_a_short_clip_is_padded_with_silence_at_its_end() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32)
    features = Featurizer(MEL)(noise, 16000)
    assert features[:10].mean() > 0.5
    assert not features[14:].any()


def test_a_long_clip_is_cut() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 40000).astype(np.float32)
    features = Featurizer(MEL)
    np.testing.assert_array_equal(features.clip(noise, 16000), noise[:16000])


def test_fit_length_keeps_what_fits() -> None:
    np.testing.assert_array_equal(fit_length(np.arange(3.0), 5), [0, 1, 2, 0, 0])
    np.testing.assert_array_equal(fit_length(np.arange(5.0), 3), [0, 1, 2])


def test_trimming_keeps_from_the_first_to_the_last_loud_block() -> None:
    samples = np.concatenate([np.full(500, 1e-4), np.full(300, 0.5), np.zeros(200), np.full(100, 0.4), np.zeros(450)])
    trimmed = trim_silence(samples.astype(np.float32), block_samples=100, below_db=40.0)
    np.testing.assert_allclose(trimmed, samples[500:1100], rtol=1e-6)


@pytest.mark.parametrize("samples", [np.zeros(1000), np.ones(30)])
def test_trimming_leaves_silence_and_very_short_clips_alone(samples: np.ndarray) -> None:
    assert len(trim_silence(samples.astype(np.float32), block_samples=100, below_db=40.0)) == len(samples)


def test_bands_too_narrow_for_the_window_are_refused() -> None:
    with pytest.raises(InputError, match=r"mel_bands: \d+ of 128 bands"):
        check_bands(MEL.model_copy(update={"mel_bands": 128, "window_seconds": 0.016, "hop_seconds": 0.01}))
    check_bands(MEL)


def test_a_spec_survives_its_own_json() -> None:
    assert FeatureSpec.from_dict(json.loads(json.dumps(MEL.to_dict())), source="spec.json") == MEL


def test_a_spec_is_made_from_a_section_that_holds_more() -> None:
    assert FeatureSpec.from_params(Featurize(**MEL.to_dict(), clips_per_shard=1, workers=2)) == MEL


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hop_seconds": "long"}, "hop_seconds"),
        ({"overlap": 2}, "overlap"),
        ({"max_hz": 9000.0}, "half of sample_rate_hz"),
    ],
)
def test_a_damaged_record_of_a_spec_is_named(change: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=rf"data/features/spec\.json: features: .*{says}"):
        FeatureSpec.from_dict({**MEL.to_dict(), **change}, source="data/features/spec.json")


def test_featurizers_of_equal_specs_are_equal() -> None:
    one, same, other = Featurizer(MEL), Featurizer(MEL.model_copy()), Featurizer(LINEAR)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other


@pytest.mark.parametrize("samples", [np.zeros(16000, np.float32), np.random.default_rng(4).normal(0, 0.1, 16000)])
def test_the_graph_of_a_clip_gives_the_features(samples: np.ndarray) -> None:
    features = Featurizer(MEL)
    clip = samples.astype(np.float32)
    np.testing.assert_allclose(features.graph(tf.constant(clip)), features(clip, 16000), atol=1e-6)
