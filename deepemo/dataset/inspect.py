"""Inspect one recording: read its name, decode it, and measure it, without a verdict."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np

from deepemo.audio.io.decode import Recording, read_recording
from deepemo.audio.samples import cancelled_channel, measure_levels
from deepemo.corpora.archive import Recordings
from deepemo.corpora.definition import Corpus
from deepemo.dataset.clips import Clip
from deepemo.errors import DecodeError, InputError, TooLongError
from deepemo.params import VoiceDecision
from deepemo.vad.gate import detect_voice

# Larger files are not clips, and decoding one would take as much memory as many clips.
MAX_BYTES = 256 * 2**20
MAX_SAMPLES = 60_000_000
LONGEST_SECONDS = 600.0

REPAIRS = ("stereo", "opposite_polarity", "aiff_container", "odd_sample_rate", "speaker_code", "file_name")


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What was found in one recording.

    Attributes:
        clip: its row of the clip table, without a verdict.
        is_speech: false if its name says that it is a song.
        faults: reasons against it that were found while reading it, each with an explanation.
    """

    clip: Clip
    is_speech: bool
    faults: dict[str, str]


def inspect_recording(corpus: Corpus, member: str, archive: Recordings, gate: VoiceDecision) -> Inspection:
    """Read the name of a recording, decode it and measure it.

    Args:
        corpus: its corpus.
        member: its path inside the archive.
        archive: the archive with the recording.
        gate: when a frame counts as speech.
    """
    named = inspect_name(corpus, member)
    try:
        size_bytes = archive.size_bytes(member)
        if size_bytes == 0:
            return _with_fault(named, "empty", "the file has no bytes")
        if size_bytes > MAX_BYTES:
            return _with_fault(named, "too_long", f"{size_bytes} bytes; above {MAX_BYTES} none is decoded")
        recording = read_recording(
            archive.read(member), name=member, max_seconds=LONGEST_SECONDS, max_samples=MAX_SAMPLES
        )
    except TooLongError as error:
        return _with_fault(named, "too_long", str(error))
    except (InputError, DecodeError) as error:
        return _with_fault(named, "undecodable", str(error))
    return _inspect_samples(named, corpus, recording, gate)


def inspect_name(corpus: Corpus, member: str) -> Inspection:
    """Inspect only the name of a recording."""
    path = PurePosixPath(member)
    try:
        utterance = corpus.parse(member)
    except InputError as error:
        spelled_out = str(path.with_suffix("")).replace("/", "_")
        clip = Clip(clip=f"{corpus.name}/{spelled_out}", corpus=corpus.name, language=corpus.language, member=member)
        return Inspection(clip=clip, is_speech=True, faults={"unknown_name": str(error)})
    clip = Clip(
        clip=f"{corpus.name}/{utterance.name}",
        corpus=corpus.name,
        language=corpus.language,
        member=member,
        performance=f"{corpus.name}/{utterance.performance}",
        speaker=f"{corpus.name}/{utterance.speaker}",
        gender=utterance.gender,
        emotion=utterance.emotion,
        intensity=utterance.intensity,
        sentence=utterance.sentence,
        agreement=None if utterance.agreement is None else round(utterance.agreement, 4),
        repairs=";".join(utterance.repairs),
    )
    return Inspection(clip=clip, is_speech=utterance.is_speech, faults={})


def _with_fault(inspection: Inspection, reason: str, detail: str) -> Inspection:
    return replace(inspection, faults={**inspection.faults, reason: detail})


def _inspect_samples(named: Inspection, corpus: Corpus, recording: Recording, gate: VoiceDecision) -> Inspection:
    repairs = (*_repairs(corpus, named.clip.member, recording), *filter(None, named.clip.repairs.split(";")))
    inspection = replace(
        named,
        clip=replace(
            named.clip,
            rate_hz=recording.rate_hz,
            channels=recording.channels,
            seconds=round(recording.seconds, 6),
            repairs=";".join(repairs),
        ),
    )
    if recording.partial is not None:
        inspection = _with_fault(inspection, "truncated", recording.partial)
    if recording.samples.size == 0:
        return _with_fault(inspection, "empty", "the file has no samples")
    broken = int(np.count_nonzero(~np.isfinite(recording.samples)))
    if broken:
        return _with_fault(inspection, "not_finite", f"{broken} samples are NaN or infinite")
    return replace(inspection, clip=_measured(inspection.clip, recording, gate))


def _repairs(corpus: Corpus, member: str, recording: Recording) -> Iterator[str]:
    if recording.channels > 1:
        yield "stereo"
        if cancelled_channel(recording.samples) is not None:
            yield "opposite_polarity"
    if recording.container.startswith("AIFF") and not PurePosixPath(member).suffix.lower().startswith(".aif"):
        yield "aiff_container"
    if corpus.native_rate_hz is not None and recording.rate_hz != corpus.native_rate_hz:
        yield "odd_sample_rate"


def _measured(clip: Clip, recording: Recording, gate: VoiceDecision) -> Clip:
    mono = recording.mono()
    levels = measure_levels(mono)
    voice = detect_voice(mono, recording.rate_hz, gate)
    # Rounded, because the last bits of a float differ from one processor to the next.
    return replace(
        clip,
        rms_dbfs=round(levels.rms_dbfs, 2),
        peak_dbfs=round(levels.peak_dbfs, 2),
        clipped_share=round(measure_levels(recording.samples).clipped_share, 6),
        voice_share=round(voice.share, 4),
        voice_seconds=round(voice.longest_seconds, 3),
        sha256=_digest(recording),
    )


def _digest(recording: Recording) -> str:
    shape = f"{recording.rate_hz} Hz, {recording.channels} channels,".encode()
    return hashlib.sha256(shape + recording.samples.astype("<f4").tobytes()).hexdigest()
