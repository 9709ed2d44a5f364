"""Clips by corpus and emotion, with the quarantined ones."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from deepemo.dataset.clips import GOOD
from deepemo.emotions import COLOURS, EMOTIONS


def draw_clips(table: pd.DataFrame, path: Path) -> None:
    """Draw the clip table as one panel a corpus: a bar an emotion, its quarantined clips hatched on top.

    Args:
        table: the clip table.
        path: where to save the picture.
    """
    corpora = sorted(table["corpus"].unique())
    figure, axes = plt.subplots(1, len(corpora), figsize=(2.0 + 3.2 * len(corpora), 4.2), squeeze=False)
    for axis, corpus in zip(axes[0], corpora, strict=True):
        clips = table[table["corpus"] == corpus]
        good = clips[clips["verdict"] == GOOD]["emotion"].value_counts()
        bad = clips[clips["verdict"] != GOOD]["emotion"].value_counts()
        others = sorted(set(bad.index) - set(EMOTIONS))
        names = [*EMOTIONS, *others]
        heights = [int(good.get(name, 0)) for name in names]
        axis.bar(names, heights, color=[COLOURS.get(name, "white") for name in names])
        axis.bar(
            names,
            [int(bad.get(name, 0)) for name in names],
            bottom=heights,
            color="white",
            edgecolor="black",
            hatch="////",
        )
        axis.set_title(corpus)
        axis.tick_params(axis="x", rotation=60)
    axes[0][0].set_ylabel("clips")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
