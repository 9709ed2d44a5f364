"""Decode by FFmpeg (PyAV) the files that libsndfile does not read: formats of browsers and phones, damaged streams.

The first bytes of a file choose the demuxer. FFmpeg's own guess is not used, because it would also open playlists,
which can name other files and addresses. A damaged packet is left out; decoding goes on after it.
"""

from collections.abc import Callable, Generator, Iterator

import av
import numpy as np

from deepemo.audio.io.blocks import Block
from deepemo.audio.io.chained import is_adts, read_mp3_frame
from deepemo.audio.io.file_slice import FileSlice
from deepemo.audio.io.flac import flac_frames
from deepemo.audio.io.headers import SoundChunk, find_sound_chunk
from deepemo.audio.io.mp4_tables import check_tables, find_index
from deepemo.errors import DecodeError

# Announced durations are rounded, and may include the padding that encoders add before and after the sound.
_TOLERANCE_SECONDS = 0.1
_TOLERANCE_FRAMES = 2304

_MOV_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
# FFmpeg's name of each demuxer, with a test of the first bytes.
_READERS: dict[str, Callable[[bytes], bool]] = {
    "matroska": lambda head: head.startswith(b"\x1a\x45\xdf\xa3"),  # WebM too
    "mov": lambda head: head[4:8] in _MOV_BOXES,  # MP4, M4A, 3GP; QuickTime files need not begin with their type
    "ogg": lambda head: head.startswith(b"OggS"),  # with codecs that libsndfile lacks
    "flac": lambda head: head.startswith(b"fLaC"),  # damaged, or with a missing or wrong length
    "aac": is_adts,
    "amr": lambda head: head.startswith(b"#!AMR"),
    "caf": lambda head: head.startswith(b"caff"),
    "wav": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WAVE",
    "mp3": lambda head: read_mp3_frame(head) is not None,
}
# PyAV crashes on planar frames with more channels than this, because it reads past the last plane. A damaged AAC file
# announced 41.
_MAX_PLANES = 8
# Bytes of AAC without headers, which is decoded as one packet with all its frames in memory at once. At 64 kbit/s, this
# many last half a minute. If each encoded frame has only four bytes, the decoded frames take 600 MiB.
_MOST_BARE_AAC = 1 << 18
# Demuxers whose duration is exact, not an estimate from the bit rate.
_TELL_DURATION = ("matroska", "mov", "caf")

# The decoders that may be used.
_CODECS = frozenset(
    {
        "aac",
        "aac_latm",
        "ac3",
        "alac",
        "eac3",
        "flac",
        "gsm",
        "gsm_ms",
        "libopus",
        "opus",
        "vorbis",
        "libspeex",
        "speex",
    }
    | {"amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb", "g722", "g726", "g726le", "truespeech"}
    | {"mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "qcelp", "qdm2", "mace3", "mace6", "tta", "wavpack"}
    | {"adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_swf", "adpcm_yamaha", "pcm_alaw", "pcm_mulaw"}
    | {f"pcm_{kind}{bits}{end}" for kind in "su" for bits in (16, 24, 32) for end in ("le", "be")}
    | {"pcm_s8", "pcm_u8", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be"}
)

# Full scale and zero level of FFmpeg's integer sample formats, planar (`p`) or not.
_SCALES = {"u8": (128.0, 128.0), "s16": (2.0**15, 0.0), "s32": (2.0**31, 0.0)}


def ffmpeg_reader(file: FileSlice) -> str | None:
    """FFmpeg's name of the demuxer for a file, chosen by its first bytes; None if there is none."""
    head = file.at(0, 16)
    return next((reader for reader, fits in _READERS.items() if fits(head)), None)


def ffmpeg_blocks(file: FileSlice, reader: str) -> Generator[Block, None, list[str]]:
    """Decode the first audio stream of a container by the demuxer that `ffmpeg_reader` names.

    Returns:
        What could not be read.

    Raises:
        DecodeError: there is no audio stream, or nothing of it can be decoded.
        Exception: any error of PyAV.
    """
    lost = []
    if reader == "mov":
        file, was_hidden = find_index(file)
        lost += ["bytes are lost or put in before its index"] if was_hidden else []
        check_tables(file)
    file.seek(0)
    options = {"codec_whitelist": ",".join(sorted(_CODECS)), "format_whitelist": ",".join(_READERS)}
    with av.open(file, "r", format=reader, metadata_errors="replace", options=options) as container:
        if not container.streams.audio:
            raise DecodeError(f"a {reader} file without sound")
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise DecodeError(f"a {reader} file with sound of an unknown codec")
        if (codec := stream.codec_context.codec.name) not in _CODECS:
            raise DecodeError(f"a {reader} file with sound of a codec that is not read: {codec}")
        if reader == "flac":
            # Leave out damaged frames; they would otherwise be decoded to noise.
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        seconds, frames = 0.0, 0
        bare = _bare_aac(file) if reader == "wav" and codec == "aac" else None
        packets = _Packets(container.demux(stream) if bare is None else _whole(file, bare), stream)
        for frame in packets:
            if frame.format.is_planar and frame.layout.nb_channels > _MAX_PLANES:
                packets.faults.append(f"{frame.layout.nb_channels} channels, at most {_MAX_PLANES} are read")
                continue
            block = _to_block(frame)
            seconds += len(block.samples) / block.rate_hz
            frames += len(block.samples)
            yield block
        if seconds == 0.0 and packets.faults:
            raise DecodeError(f"nothing in it can be decoded as {codec}: {packets.faults[0]}")
        if seconds == 0.0:
            channels = max(1, stream.codec_context.channels)
            yield Block(stream.codec_context.sample_rate, np.zeros((0, channels), dtype=np.float32))
        if packets.faults:
            lost.append(f"{len(packets.faults)} of {packets.count} packets cannot be decoded: {packets.faults[0]}")
        if reader == "flac" and (counted := flac_frames(file)) is not None and frames < counted:
            lost.append(f"{frames} frames read, {counted} announced")
        if bare is not None and (counted := _fact_frames(file, bare)) and frames < counted - _TOLERANCE_FRAMES:
            lost.append(f"{frames} frames read, {counted} announced")
        announced = _announced_seconds(container, stream) if reader in _TELL_DURATION else None
        if announced is not None and seconds < announced - max(
            _TOLERANCE_SECONDS, _TOLERANCE_FRAMES / stream.codec_context.sample_rate
        ):
            lost.append(f"{seconds:.2f} s read, {announced:.2f} s announced")
        return lost


class _Packets:
    """Decodes the packets of a stream to frames; leaves out packets that cannot be decoded, and keeps their faults."""

    def __init__(self, packets: Iterator[av.Packet], stream: av.AudioStream) -> None:
        self.faults: list[str] = []
        self.count = 0
        self._packets = packets
        self._codec = stream.codec_context

    def __iter__(self) -> Iterator[av.AudioFrame]:
        while True:
            try:
                packet = next(self._packets, None)
            except av.FFmpegError as error:
                self.faults.append(error.strerror or str(error))
                return
            if packet is None:
                return
            self.count += 1
            try:
                frames = self._codec.decode(packet)
            except av.FFmpegError as error:
                self.faults.append(error.strerror or str(error))
                continue
            yield from frames


def _bare_aac(file: FileSlice) -> SoundChunk | None:
    """Position of the sound in a WAV of AAC without headers between its frames; None if it has headers or no sound."""
    chunk = find_sound_chunk(file)
    return None if chunk is None or is_adts(file.at(chunk.start, 2)) else chunk


def _whole(file: FileSlice, chunk: SoundChunk) -> Iterator[av.Packet]:
    """The whole sound as one packet: without headers, only the decoder can find where its frames begin."""
    length = chunk.held if chunk.announced is None else min(chunk.held, chunk.announced)
    if length > _MOST_BARE_AAC:
        raise DecodeError(f"AAC of {length} bytes without headers in a WAV, expected at most {_MOST_BARE_AAC}")
    yield av.Packet(file.at(chunk.start, length))
    yield av.Packet(0)


def _fact_frames(file: FileSlice, chunk: SoundChunk) -> int:
    """Frames that a WAV announces in a chunk `fact` before the sound; 0 if it announces none."""
    fact = file.find(b"fact", 12, chunk.start)
    frames = int.from_bytes(file.at(fact + 8, 4), "little") if fact > 0 else 0
    return frames if frames < 1 << 30 else 0


def _announced_seconds(container: av.container.InputContainer, stream: av.AudioStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _to_block(frame: av.AudioFrame) -> Block:
    values = frame.to_ndarray()  # [channels, frames] if planar, else [1, frames * channels]
    channels = frame.layout.nb_channels
    samples = values.T if frame.format.is_planar else values.reshape(-1, channels)
    scale, middle = _SCALES.get(frame.format.name.removesuffix("p"), (1.0, 0.0))
    # Exact in float32: the scale is a power of two, and the middle an integer.
    return Block(frame.sample_rate, (samples.astype(np.float32) - np.float32(middle)) / np.float32(scale))
