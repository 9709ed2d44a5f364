"""Measurements that need decoded samples, on some of the clips: pitch, long-term spectrum, silent ends."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from deepemo.audio.io.decode import read_recording
from deepemo.corpora.archive import Recordings
from deepemo.eda.longterm import band_spectrum, silent_ends
from deepemo.eda.pitch import pitch_track
from deepemo.emotions import EMOTIONS
from deepemo.parallel import map_clips


class MonoClip(NamedTuple):
    """Samples float32 [n] of one clip, mono, and their sample rate."""

    samples: np.ndarray
    rate_hz: int

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.samples) / self.rate_hz


@dataclass(frozen=True)
class Measurements:
    """Measurements of some clips.

    Attributes:
        table: their rows of the clip table with the further columns `pitch_hz` (median F0) and `pitch_semitones` (10th
            to 90th percentile of F0), both NaN without a voice, `voiced_share` (of 10 ms frames), `lead_seconds` and
            `tail_seconds` (silence before and after the sound).
        spectra: float64 [clips, bands] in dB, see `longterm.band_spectrum`.
    """

    table: pd.DataFrame
    spectra: np.ndarray


def sample_clips(clips: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Draw clips as evenly as possible over the pairs of corpus and emotion.

    Args:
        clips: good rows of the clip table.
        most: number of clips to draw; all clips if there are fewer.
        seed: of the draw.

    Returns:
        The rows drawn, in the order of the table.
    """
    shuffled = clips.sample(frac=1.0, random_state=seed)
    turn = shuffled.groupby(["corpus", "emotion"]).cumcount()
    return shuffled.loc[turn.sort_values(kind="stable").index[:most]].sort_index().reset_index(drop=True)


def pick_examples(clips: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One clip of each class, if possible of one speaker and one sentence.

    The pair of speaker and sentence with the most classes is chosen. Of several such pairs, the one with the highest
    native rate is chosen; of several such pairs, the seed chooses one. Classes that the pair lacks come from other
    speakers.

    Args:
        clips: good rows of the clip table.
        seed: of the draw.

    Returns:
        A row for each class that has a clip, in the order of the emotions.
    """
    shuffled = clips[clips["emotion"].isin(EMOTIONS)].sample(frac=1.0, random_state=seed)
    said = shuffled.groupby(["speaker", "sentence"], sort=False).agg(
        classes=("emotion", "nunique"), rate_hz=("rate_hz", "min")
    )
    speaker, sentence = said.sort_values(["classes", "rate_hz"], ascending=False, kind="stable").index[0]
    fitting = (shuffled["speaker"] == speaker) & (shuffled["sentence"] == sentence)
    examples = pd.concat([shuffled[fitting], shuffled[~fitting]]).drop_duplicates("emotion").set_index("emotion")
    return examples.reindex([name for name in EMOTIONS if name in examples.index]).reset_index()


def read_examples(examples: pd.DataFrame, archives: Mapping[str, Recordings]) -> dict[str, MonoClip]:
    """Decode clips of different emotions.

    Args:
        examples: rows of the clip table, see `pick_examples`.
        archives: what holds the recordings, by corpus.

    Returns:
        The clips by emotion, in the order of the rows.
    """
    clips = {}
    for emotion, corpus, member in zip(examples["emotion"], examples["corpus"], examples["member"], strict=True):
        archive = archives[corpus]
        recording = read_recording(archive.read(member), name=f"{archive.path}: {member}")
        clips[emotion] = MonoClip(recording.mono(), recording.rate_hz)
    return clips


def measure_clips(clips: pd.DataFrame, archives: Mapping[str, Recordings], *, silent_below_db: float) -> Measurements:
    """Decode and measure clips in several threads, or on a cluster.

    Args:
        clips: rows of the clip table.
        archives: what holds the recordings, by corpus.
        silent_below_db: ends that are quieter than the loudest 10 ms block by more than this count as silent.
    """
    places = zip((archives[corpus] for corpus in clips["corpus"]), clips["member"], strict=True)
    results = map_clips(
        Measure(silent_below_db),
        places,
        name="eda",
        total=len(clips),
        workers=os.cpu_count() or 1,
        carry=lambda place: (place[0].carried(place[1]), place[1]),
    )
    figures, spectra = zip(*results, strict=True)
    measured = pd.DataFrame(list(figures), index=clips.index)
    return Measurements(table=pd.concat([clips, measured], axis=1), spectra=np.stack(spectra))


@dataclass(frozen=True)
class Measure:
    """Decodes and measures a recording, given as an archive and the path inside it."""

    silent_below_db: float

    def __call__(self, place: tuple[Recordings, str]) -> tuple[dict[str, float], np.ndarray]:
        """Its figures, and its long-term spectrum."""
        archive, member = place
        recording = read_recording(archive.read(member), name=f"{archive.path}: {member}")
        samples = recording.mono()
        lead, tail = silent_ends(samples, recording.rate_hz, self.silent_below_db)
        figures = {**_pitch_figures(samples, recording.rate_hz), "lead_seconds": lead, "tail_seconds": tail}
        return figures, band_spectrum(samples, recording.rate_hz)


def _pitch_figures(samples: np.ndarray, rate_hz: int) -> dict[str, float]:
    track = pitch_track(samples, rate_hz)
    voiced = track[np.isfinite(track)]
    if voiced.size == 0:
        return {"pitch_hz": np.nan, "pitch_semitones": np.nan, "voiced_share": 0.0}
    low, middle, high = np.quantile(voiced, (0.1, 0.5, 0.9))
    return {
        "pitch_hz": float(middle),
        "pitch_semitones": float(12 * np.log2(high / low)),
        "voiced_share": voiced.size / track.size,
    }
