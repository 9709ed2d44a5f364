"""Trials of the voice gate: speech under bad conditions, recordings without speech, and computed sounds.

The gate's params were chosen on one half of the recordings; the trials come from the other half (`is_held_out`).
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from deepemo.arrays import Float32Array
from deepemo.audio.io.decode import Recording, read_recording
from deepemo.audio.perturb.levels import to_16_bits
from deepemo.audio.perturb.noise import coloured_noise
from deepemo.audio.samples import at_level, resample
from deepemo.corpora.archive import Archive
from deepemo.errors import DecodeError, InputError
from deepemo.recordings import POINTER_ADVICE, find_recordings, printable, read_pointer
from deepemo.vad.stimuli import KINDS, RATE_HZ, make_sound

LEVELS_DBFS = (-20, -30, -40)
NOISE_SLOPES = {"white": 0.0, "pink": 1.0}
SNRS_DB = (20, 10, 5, 0)
# Trials of one clip: as recorded, at each level, and under each noise at each ratio.
CONDITIONS = 1 + len(LEVELS_DBFS) + len(NOISE_SLOPES) * len(SNRS_DB)
# Level of the voice under noise: even with noise as loud as the voice, the sum stays below full scale.
VOICE_DBFS = -26.0


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One recording that the gate must decide on.

    Attributes:
        samples: float32 [n] mono.
        rate_hz: their rate.
        labels: categories for which error rates are computed, such as `{"corpus": "tess", "emotion": "sad"}`.
    """

    samples: Float32Array
    rate_hz: int
    labels: Mapping[str, str]


def is_held_out(name: str) -> bool:
    """Whether a speaker or a source of sound is used for trials: about half are, chosen by a digest of the name."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[0] % 2 == 1


def choose_clips(clips: pd.DataFrame, count: int, *, seed: int) -> pd.DataFrame:
    """Draw at most `count` clips of held-out speakers; of all speakers if none is held out.

    Args:
        clips: good rows of the clip table.
        count: how many to draw; all if there are fewer.
        seed: of the draw.
    """
    held_out = clips[clips["speaker"].map(is_held_out)]
    candidates = clips if held_out.empty else held_out
    return candidates.sample(min(count, len(candidates)), random_state=seed).sort_values("clip")


def speech_trials(clips: pd.DataFrame, archives: Mapping[str, Archive], *, seed: int) -> Iterator[Trial]:
    """Every clip as recorded, at several levels, and under noise at several signal-to-noise ratios.

    Levels and ratios refer to the RMS of the whole clip with its pauses. All versions but the recording itself are
    rounded to 16 bits.

    Args:
        clips: rows of the clip table.
        archives: by corpus.
        seed: of the noise.
    """
    columns = [clips[name] for name in ("corpus", "member", "emotion", "gender")]
    for number, (corpus, member, emotion, gender) in enumerate(zip(*columns, strict=True)):
        recording = read_recording(archives[corpus].read(member), name=member)
        voice = resample(recording.mono(), recording.rate_hz, RATE_HZ)
        random = np.random.default_rng([seed, number])
        for condition, samples in in_conditions(voice, random):
            labels = {"condition": condition, "corpus": corpus, "emotion": emotion, "gender": gender or "unknown"}
            yield Trial(samples=samples, rate_hz=RATE_HZ, labels=labels)


def in_conditions(voice: Float32Array, random: np.random.Generator) -> Iterator[tuple[str, Float32Array]]:
    """Conditions of a trial and the voice under each, float32 [n] at 16 kHz."""
    yield "as_recorded", voice
    for level_dbfs in LEVELS_DBFS:
        yield f"level_{level_dbfs}_dbfs", to_16_bits(at_level(voice, level_dbfs))
    for colour, slope in NOISE_SLOPES.items():
        for snr_db in SNRS_DB:
            noise = coloured_noise(random, len(voice), slope=slope).astype(np.float32)
            mixed = at_level(voice, VOICE_DBFS) + at_level(noise, VOICE_DBFS - snr_db)
            yield f"{colour}_noise_{snr_db}_db", to_16_bits(mixed)


class NonSpeech:
    """Trials of the recordings without speech in a folder and its subfolders.

    The class of a recording is the name of the folder that holds it. Sounds cut from one recording (`1-17367-A.wav`,
    `1-17367-B.wav`) are held out together. Only held-out recordings are used, or all if none is held out. A file that
    cannot be read is left out.

    Attributes:
        left_out: reason for each file that was left out so far.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.left_out: list[str] = []

    def __iter__(self) -> Iterator[Trial]:
        """The trials, from the first.

        Raises:
            InputError: the folder is missing, holds no recording, or none that can be read.
        """
        self.left_out = []
        if not self._folder.is_dir():
            raise InputError(f"gate.non_speech_dir: {self._folder}: no such folder")
        files = sorted(find_recordings(self._folder, lambda error: self.left_out.append(str(error))))
        if not files and not self.left_out:
            raise InputError(f"gate.non_speech_dir: {self._folder} holds no recordings")
        played = 0
        for path in [path for path in files if _is_held_out_sound(path)] or files:
            try:
                recording = _read_sound(path)
            except (InputError, OSError) as error:
                self.left_out.append(str(error))
            else:
                played += 1
                labels = {"condition": "as_recorded", "class": printable(path.parent.name)}
                yield Trial(samples=recording.mono(), rate_hz=recording.rate_hz, labels=labels)
        if not played:
            raise InputError(
                f"gate.non_speech_dir: none of {len(self.left_out)} recordings in {self._folder} can be read, "
                f"such as {self.left_out[0]}"
            )


def _is_held_out_sound(path: Path) -> bool:
    return is_held_out(path.parent.name + re.sub(r"-[A-Z]$", "", path.stem))


def _read_sound(path: Path) -> Recording:
    name, content = printable(str(path)), path.read_bytes()
    if read_pointer(content):
        raise DecodeError(f"{name}: a Git LFS pointer, not a recording. {POINTER_ADVICE}")
    recording = read_recording(content, name=name)
    if not len(recording.samples) or not np.isfinite(recording.samples).all():
        raise DecodeError(f"{name}: no samples, or some that are no finite numbers")
    return recording


def made_sound_trials(per_kind: int, *, seed: int) -> Iterator[Trial]:
    """Computed sounds of each kind, loud and quiet.

    Args:
        per_kind: variants of each kind.
        seed: of the draws.
    """
    for kind in KINDS:
        for variant in range(per_kind):
            sound = make_sound(kind, variant=variant, seed=seed)
            for level_dbfs in (LEVELS_DBFS[0], LEVELS_DBFS[-1]):
                samples = to_16_bits(at_level(sound, level_dbfs))
                labels = {"condition": f"level_{level_dbfs}_dbfs", "kind": kind}
                yield Trial(samples=samples, rate_hz=RATE_HZ, labels=labels)
