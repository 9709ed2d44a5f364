"""The recording channel of the synthetic corpus: what a room and a microphone add to espeak-ng's samples.

Arrays are float64 with full scale at 1.0. They are rounded to 16 bits at the end, so that the bytes do not depend on
the last digits of a machine's arithmetic.
"""

import io

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from scipy.signal import lfilter

from deepemo.arrays import Float64Array
from deepemo.corpora.synthetic.espeak import RATE_HZ
from deepemo.corpora.synthetic.prosody import Prosody, Speaker

TILT_CORNER_HZ = 1000.0
BREATH_ABOVE_HZ = 2000.0
ENVELOPE_HZ = 18.0
LOUDEST_BREATH_DB = -10.0
SPEECH_ABOVE_PEAK_DB = -40.0
STEREO_SHARE = 0.3

Pcm16Array = npt.NDArray[np.int16]


def record(samples: Pcm16Array, speaker: Speaker, prosody: Prosody, rng: np.random.Generator) -> Pcm16Array:
    """Shape the sound of a voice and record it.

    Args:
        samples: int16 [n] at espeak-ng's `RATE_HZ`.
        speaker: gives the room and the microphone.
        prosody: its level, slope, tilt, breath and tremor are applied here, because espeak-ng has no parameters for
            them.
        rng: gives the differences between takes.

    Returns:
        int16 [frames, channels] at the speaker's sample rate.
    """
    voice = _speech_only(samples / 32768.0)
    voice = _tremble(voice, max(prosody.tremor, 0.0), rng)
    voice = _tilt(voice, prosody.tilt_db + speaker.microphone_tilt_db)
    voice = _breathe(voice, prosody.breath_db, rng)
    voice *= 10 ** (np.linspace(-0.5, 0.5, len(voice)) * prosody.slope_db / 20)
    voice *= _amplitude(speaker.level_dbfs + prosody.level_db) / np.sqrt(np.mean(voice**2))
    before, after = rng.uniform(0.15, 0.4, size=2)
    voice = np.pad(voice, (int(before * RATE_HZ), int(after * RATE_HZ)))
    if speaker.rate_hz != RATE_HZ:
        # Of soxr's qualities, only VHQ computes in double precision.
        voice = soxr.resample(voice, RATE_HZ, speaker.rate_hz, quality="VHQ")
    channels = 2 if speaker.stereo and rng.random() < STEREO_SHARE else 1
    noise = _room_noise((len(voice), channels), speaker.noise_dbfs, rng)
    return to_pcm16(np.tanh(voice[:, None] + noise))


def to_pcm16(samples: Float64Array) -> Pcm16Array:
    """Round to 16 bits, and clip at full scale."""
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)


def to_wav(samples: Pcm16Array, rate_hz: int) -> bytes:
    """Encode int16 [frames, channels] as the bytes of a WAV file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _amplitude(level_db: float) -> float:
    return float(10 ** (level_db / 20))


def _one_pole(values: Float64Array, corner_hz: float) -> Float64Array:
    """First-order low-pass filter."""
    pole = np.exp(-2 * np.pi * corner_hz / RATE_HZ)
    filtered: Float64Array = lfilter([1 - pole], [1, -pole], values)
    return filtered


def _speech_only(voice: Float64Array) -> Float64Array:
    loud = np.flatnonzero(np.abs(voice) > np.abs(voice).max() * _amplitude(SPEECH_ABOVE_PEAK_DB))
    return voice[loud[0] : loud[-1] + 1]


def _tremble(voice: Float64Array, depth: float, rng: np.random.Generator) -> Float64Array:
    """Modulate pitch (by up to 3 % at depth 1) and loudness (by up to 3 dB) at 5 to 8 Hz."""
    rate_hz, phase = rng.uniform(5.0, 8.0), rng.uniform(0, 2 * np.pi)
    seconds = np.arange(len(voice)) / RATE_HZ
    turn = 2 * np.pi * rate_hz * seconds + phase
    warped = seconds + 0.03 * depth / (2 * np.pi * rate_hz) * np.sin(turn)
    shaken: Float64Array = np.interp(warped, seconds, voice) * 10 ** (3.0 * depth * np.sin(turn + 1.0) / 20)
    return shaken


def _tilt(voice: Float64Array, gain_db: float) -> Float64Array:
    """Amplify frequencies above 1 kHz by a first-order shelf."""
    low = _one_pole(voice, TILT_CORNER_HZ)
    return low + _amplitude(gain_db) * (voice - low)


def _breathe(voice: Float64Array, level_db: float, rng: np.random.Generator) -> Float64Array:
    """Add noise above 2 kHz that follows the voice's envelope, at a level relative to it."""
    envelope = np.sqrt(np.maximum(_one_pole(voice**2, ENVELOPE_HZ), 0.0))
    noise = rng.standard_normal(len(voice))
    noise -= _one_pole(noise, BREATH_ABOVE_HZ)
    return voice + _amplitude(min(level_db, LOUDEST_BREATH_DB)) * envelope * noise


def _room_noise(shape: tuple[int, int], level_dbfs: float, rng: np.random.Generator) -> Float64Array:
    """Noise with more energy at low frequencies, as in rooms: [frames, channels]."""
    noise: Float64Array = lfilter([1.0], [1.0, -0.9], rng.standard_normal(shape), axis=0)
    return noise * (_amplitude(level_dbfs) / np.sqrt(np.mean(noise**2)))
