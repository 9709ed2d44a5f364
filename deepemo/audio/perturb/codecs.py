"""Lines and codecs: the telephone, and MP3 and Opus at low rates."""

import io
from typing import Literal, cast

import av
import numpy as np

from deepemo.arrays import Float32Array
from deepemo.audio.io.decode import read_recording
from deepemo.audio.perturb.filters import band_limited
from deepemo.audio.samples import resample

TELEPHONE_HZ = 8_000
TELEPHONE_LOW_HZ = 300.0
TELEPHONE_HIGH_HZ = 3_400.0
_TELEPHONE_ORDER = 8
_MU = 255.0
# Rate at which speech is coded. Recorders choose it at low bit rates, and both codecs accept it.
CODED_HZ = 16_000

Codec = Literal["mp3", "opus"]
# FFmpeg's names of encoder and container.
_ENCODERS = {"mp3": ("libmp3lame", "mp3"), "opus": ("libopus", "ogg")}


def mu_law(samples: Float32Array) -> Float32Array:
    """Round to the 8 bits of mu-law companding (ITU-T G.711, by its continuous curve): float32 [n] to float32 [n].

    Samples beyond full scale are clipped.
    """
    clipped = np.clip(samples.astype(np.float64), -1.0, 1.0)
    compressed = np.round(np.log1p(_MU * np.abs(clipped)) / np.log1p(_MU) * 127) / 127
    return (np.sign(clipped) * np.expm1(compressed * np.log1p(_MU)) / _MU).astype(np.float32)


def telephone(samples: Float32Array, rate_hz: int) -> Float32Array:
    """Samples as they arrive by telephone: 300 to 3,400 Hz, at 8 kHz, in mu-law.

    Args:
        samples: float32 [n].
        rate_hz: their rate, and the rate of the result.

    Returns:
        float32 [n].
    """
    narrow = resample(samples, rate_hz, TELEPHONE_HZ)
    narrow = band_limited(
        narrow, TELEPHONE_HZ, low_hz=TELEPHONE_LOW_HZ, high_hz=TELEPHONE_HIGH_HZ, order=_TELEPHONE_ORDER
    )
    return _fitted(resample(mu_law(narrow), TELEPHONE_HZ, rate_hz), len(samples))


def coded(samples: Float32Array, rate_hz: int, codec: Codec, *, kbps: int) -> Float32Array:
    """Encode a clip as mono at 16 kHz, and decode it as an upload is decoded.

    Args:
        samples: float32 [n], n at least 1.
        rate_hz: their rate, and the rate of the result.
        codec: format of the encoded clip.
        kbps: constant bit rate in kilobits per second; the codec must support it.

    Returns:
        float32 [n], without delay: decoders cut off the delay that the file declares.
    """
    recording = read_recording(encode(samples, rate_hz, codec, kbps=kbps), name=f"{codec} at {kbps} kbit/s")
    return _fitted(resample(recording.mono(), recording.rate_hz, rate_hz), len(samples))


def encode(samples: Float32Array, rate_hz: int, codec: Codec, *, kbps: int) -> bytes:
    """A clip as the bytes of an MP3 or Ogg Opus file, mono at 16 kHz."""
    encoder, container = _ENCODERS[codec]
    wide = np.ascontiguousarray(resample(samples, rate_hz, CODED_HZ)[np.newaxis], dtype=np.float32)
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = cast("av.AudioStream", output.add_stream(encoder, rate=CODED_HZ, layout="mono"))
        stream.bit_rate = 1000 * kbps
        frame = av.AudioFrame.from_ndarray(wide, format="flt", layout="mono")
        # Without its own time, the first packet would be dated after the delay instead of before it.
        frame.sample_rate, frame.pts = CODED_HZ, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def _fitted(samples: Float32Array, length: int) -> Float32Array:
    """Cut, or padded with zeros, at the end."""
    return np.pad(samples, (0, max(0, length - len(samples))))[:length]
