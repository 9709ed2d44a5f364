"""The recording studio of the synthetic corpus: from espeak-ng's samples to what a microphone in a room would give.

All arrays are float64, full scale at 1.0: rounded to 16 bits at the end, so that the bytes do not hang on the last
digits of a machine's arithmetic.
"""

import io

import numpy as np
import soundfile
import soxr
from scipy.signal import lfilter

from deepemo.corpora.espeak import RATE_HZ
from deepemo.corpora.prosody import Prosody, Speaker

TILT_CORNER_HZ = 1000.0
SPEAKING_DB_BELOW_PEAK = 40.0


def record(samples: np.ndarray, speaker: Speaker, prosody: Prosody, rng: np.random.Generator) -> np.ndarray:
    """Shape the voice and record it: int16 [n] at `RATE_HZ` in, int16 [frames, channels] at the speaker's rate out."""
    voice = _speech_only(samples / 32768.0)
    voice = _tremble(voice, prosody.tremor, rng)
    voice = _tilt(voice, prosody.tilt_db + speaker.microphone_tilt_db)
    voice = _breathe(voice, prosody.breath_db, rng)
    voice *= 10 ** (np.linspace(-0.5, 0.5, len(voice)) * prosody.slope_db / 20)
    voice *= _amplitude(speaker.level_dbfs + prosody.level_db) / np.sqrt(np.mean(voice**2))
    before, after = rng.uniform(0.1, 0.3, size=2)
    voice = np.pad(voice, (int(before * RATE_HZ), int(after * RATE_HZ)))
    if speaker.rate_hz != RATE_HZ:
        voice = soxr.resample(voice, RATE_HZ, speaker.rate_hz, quality="VHQ")
    channels = 2 if speaker.stereo and rng.random() < 0.3 else 1
    noise = _room_noise((len(voice), channels), speaker.noise_dbfs, rng)
    return to_pcm16(0.98 * np.tanh((voice[:, None] + noise) / 0.98))


def to_pcm16(samples: np.ndarray) -> np.ndarray:
    """Round full-scale floats to 16 bits."""
    return np.clip(np.round(samples * 32767), -32768, 32767).astype(np.int16)


def to_wav(samples: np.ndarray, rate_hz: int) -> bytes:
    """A WAV file of 16-bit samples: int16 [frames, channels]."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _amplitude(level_db: float) -> float:
    return float(10 ** (level_db / 20))


def _speech_only(voice: np.ndarray) -> np.ndarray:
    loud = np.flatnonzero(np.abs(voice) > np.abs(voice).max() * _amplitude(-SPEAKING_DB_BELOW_PEAK))
    return voice[loud[0] : loud[-1] + 1]


def _tremble(voice: np.ndarray, depth: float, rng: np.random.Generator) -> np.ndarray:
    """Shake pitch (up to 3 % at depth 1) and loudness (up to 3 dB) at 5 to 8 Hz."""
    rate_hz, phase = rng.uniform(5.0, 8.0), rng.uniform(0, 2 * np.pi)
    depth = max(depth, 0.0)
    seconds = np.arange(len(voice)) / RATE_HZ
    turn = 2 * np.pi * rate_hz * seconds + phase
    warped = seconds + 0.03 * depth / (2 * np.pi * rate_hz) * np.sin(turn)
    shaken = np.interp(warped, seconds, voice)
    return shaken * 10 ** (3.0 * depth * np.sin(turn + 1.0) / 20)


def _tilt(voice: np.ndarray, gain_db: float) -> np.ndarray:
    """Raise what lies above 1 kHz by a first-order shelf."""
    pole = np.exp(-2 * np.pi * TILT_CORNER_HZ / RATE_HZ)
    low = lfilter([1 - pole], [1, -pole], voice)
    return low + _amplitude(gain_db) * (voice - low)


def _breathe(voice: np.ndarray, level_db: float, rng: np.random.Generator) -> np.ndarray:
    """Add noise above 1 kHz that follows the voice's envelope."""
    envelope = np.sqrt(np.maximum(lfilter([0.005], [1, -0.995], voice**2), 0))
    pole = np.exp(-2 * np.pi * 2 * TILT_CORNER_HZ / RATE_HZ)
    noise = rng.standard_normal(len(voice))
    noise -= lfilter([1 - pole], [1, -pole], noise)
    return voice + _amplitude(min(level_db, -10.0)) * envelope * noise


def _room_noise(shape: tuple[int, int], level_dbfs: float, rng: np.random.Generator) -> np.ndarray:
    """Noise with more energy low down, as rooms have: [frames, channels]."""
    noise = lfilter([1.0], [1, -0.9], rng.standard_normal(shape), axis=0)
    return noise * _amplitude(level_dbfs) / np.sqrt(np.mean(noise**2))
