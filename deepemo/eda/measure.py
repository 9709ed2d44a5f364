"""Measure what must be decoded to be known, on a drawn part of the clips: pitch, long-term spectrum, silent ends."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepemo.audio.decode import Recording
from deepemo.eda.longterm import band_spectrum, silent_ends
from deepemo.eda.pitch import pitch_track
from deepemo.emotions import EMOTIONS

Reader = Callable[[str, str], Recording]


@dataclass(frozen=True)
class Measurements:
    """What was measured on the drawn clips.

    Attributes:
        table: their rows of the clip table, and beside them `pitch_hz` (median F0) and `pitch_semitones` (from the
            10th to the 90th percentile of F0), both NaN where no voice was found, `voiced_share` (of 10 ms frames),
            `lead_seconds` and `tail_seconds`.
        spectra: float64 [clips, bands] in dB, as `longterm.band_spectrum` gives them.
    """

    table: pd.DataFrame
    spectra: np.ndarray


def draw_clips(clips: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Draw at most so many clips, as evenly as can be over the pairs of corpus and emotion.

    Args:
        clips: rows of the clip table that may be used.
        most: how many.
        seed: of the draw; the same seed draws the same clips.

    Returns:
        The rows drawn, in the order of the table.
    """
    shuffled = clips.sample(frac=1.0, random_state=seed)
    turn = shuffled.groupby(["corpus", "emotion"]).cumcount()
    return shuffled.loc[turn.sort_values(kind="stable").index[:most]].sort_index().reset_index(drop=True)


def pick_examples(clips: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One clip of each class, of the same speaker saying the same sentence where there are such.

    Of all speakers and sentences those with the most classes are taken, of these the ones with the highest native
    rate, of these some by the seed. A class that they lack comes from anyone.

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


def measure_clips(clips: pd.DataFrame, read: Reader, *, silent_below_db: float) -> Measurements:
    """Decode and measure clips, several at once.

    Args:
        clips: rows of the clip table.
        read: gives the recording of a corpus's member; called from several threads.
        silent_below_db: how far below the loudest block an end counts as silent.
    """

    def measure(corpus: str, member: str) -> tuple[dict[str, float], np.ndarray]:
        recording = read(corpus, member)
        samples = recording.mono()
        lead, tail = silent_ends(samples, recording.rate_hz, silent_below_db)
        figures = {**_pitch_figures(samples, recording.rate_hz), "lead_seconds": lead, "tail_seconds": tail}
        return figures, band_spectrum(samples, recording.rate_hz)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        figures, spectra = zip(*pool.map(measure, clips["corpus"], clips["member"]), strict=True)
    measured = pd.DataFrame(list(figures), index=clips.index)
    return Measurements(table=pd.concat([clips, measured], axis=1), spectra=np.stack(spectra))


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
