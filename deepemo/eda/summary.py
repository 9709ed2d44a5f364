"""What the page of the exploration says in words and tables."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from deepemo.eda.gallery import CHOICE, SOUND
from deepemo.eda.page import Table
from deepemo.eda.recommend import quantiles
from deepemo.emotions import EMOTIONS

TABLE_COVERAGES = (0.5, 0.8, 0.9, 0.95, 1.0)


def summarise(clips: pd.DataFrame, figures: dict[str, Any], coverage: float) -> list[str]:
    """What was found, in a few sentences.

    Args:
        clips: rows of the clip table that may be used.
        figures: what `exploration.explore` found.
        coverage: the wanted share.
    """
    corpora = ", ".join(sorted(clips["corpus"].unique()))
    hours = clips["seconds"].sum() / 3600
    counts = clips["emotion"].value_counts()
    best, first = figures["recommended"], figures["first_deepemo"]
    found = [
        f"{len(clips):,} clips of {figures['speakers']} speakers, {hours:.1f} hours, from: {corpora}. The rarest "
        f"class, {counts.index[-1]}, has {counts.iloc[-1]:,} clips, the most frequent one, {counts.index[0]}, "
        f"{counts.iloc[0]:,}.",
        f"To hold {coverage:.0%} of every class: {best['sample_rate_hz']:,} Hz and {best['clip_seconds']:g} s, which "
        f"are {best['frames']:,} samples. Of all clips, {best['native_share']:.0%} reach this rate natively and "
        f"{best['held_share']:.0%} are no longer. With silent ends cut off, "
        f"{figures['clip_seconds_without_silent_ends']:g} s hold {coverage:.0%} of every class.",
        f"The first DeepEmo's {first['frames']:,} samples at {first['sample_rate_hz']:,} Hz are "
        f"{first['clip_seconds']:.2f} s: here {first['held_share']:.0%} of the clips are no longer, and "
        f"{first['native_share']:.0%} reach this rate natively.",
    ]
    told = figures.get("corpus_told_by_spectrum")
    if told:
        found.append(
            f"By the long-term spectrum alone, a linear classifier tells the corpus of {told['accuracy']:.0%} of the "
            f"clips of speakers that it never heard (mean over corpora; by chance {told['chance']:.0%}). Scores within "
            f"each corpus are therefore worth more than scores over all of them."
        )
    return found


def tabulate(clips: pd.DataFrame, figures: dict[str, Any]) -> list[Table]:
    """The tables of the page: what covers how much of each class, and how loud and high it is."""
    rows = quantiles(clips, TABLE_COVERAGES).itertuples()
    covering = {(row.emotion, row.coverage): f"{row.sample_rate_hz:,} Hz, {row.clip_seconds:.2f} s" for row in rows}
    present = [emotion for emotion in EMOTIONS if (clips["emotion"] == emotion).any()]
    rates = {f"{coverage:.0%}": [covering[name, coverage] for name in present] for coverage in TABLE_COVERAGES}
    voices = {"median level (dBFS)": [f"{figures['loudness_dbfs'][emotion]:.1f}" for emotion in present]}
    for gender, pitches in figures["pitch_hz"].items():
        voices[f"median pitch, {gender} (Hz)"] = _cells(pitches, present)
    return [
        Table(
            section=CHOICE,
            caption="The rate that this share of a class's clips reach natively, and the length that holds it",
            content=pd.DataFrame(rates, index=present),
        ),
        Table(section=SOUND, caption="Loudness and pitch of each class", content=pd.DataFrame(voices, index=present)),
    ]


def _cells(values: dict[str, float], emotions: Sequence[str]) -> list[str]:
    return [f"{values[emotion]:.0f}" if emotion in values else "" for emotion in emotions]
