import re

import pandas as pd
import pytest
from matplotlib.figure import Figure

from deepemo.charts.validation import draw_clips
from deepemo.emotions import EMOTIONS

ROWS = [
    ("crema_d", "sad", "good", ""),
    ("crema_d", "sad", "good", ""),
    ("crema_d", "sad", "quarantined", "silent"),
    ("ravdess", "happy", "good", ""),
    ("ravdess", "calm", "quarantined", "other_emotion"),
    ("ravdess", "", "quarantined", "unknown_name"),
    ("ravdess", "", "quarantined", "unknown_name"),
]
TABLE = pd.DataFrame(ROWS, columns=["corpus", "emotion", "verdict", "reason"])


def words_beside_bars(figure: Figure, panel: int) -> dict[str, str]:
    axes = figure.axes[panel]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    return dict(zip(labels, (text.get_text().strip() for text in axes.texts), strict=True))


def test_every_bar_says_how_many_clips_are_good_and_how_many_quarantined() -> None:
    figure = draw_clips(TABLE)
    first, second = words_beside_bars(figure, 0), words_beside_bars(figure, 1)
    assert list(first) == list(EMOTIONS)
    assert list(second) == [*EMOTIONS, "calm", "(name unknown)"]
    assert first["sad"] == "2  (1 quarantined)"
    assert second["calm"] == "0  (1 quarantined)"
    assert second["(name unknown)"] == "0  (2 quarantined)"
    assert second["sad"] == "0"


def test_a_panel_says_how_many_are_good_and_the_reasons_most_frequent_first() -> None:
    titles = [axes.get_title(loc="left") for axes in draw_clips(TABLE).axes]
    assert titles == [
        "crema_d: 2 of 3 good\n1 silent",
        "ravdess: 1 of 4 good\n2 unknown name, 1 other emotion",
    ]


def test_bars_are_as_long_as_their_counts() -> None:
    axes = draw_clips(TABLE).axes[0]
    good, bad = axes.containers
    assert [bar.get_width() for bar in good] == [0, 0, 0, 0, 0, 2, 0]
    assert [(bar.get_x(), bar.get_width(), bar.get_hatch()) for bar in bad] == [(2, 1, "//////")]


def test_nothing_quarantined_is_said_too() -> None:
    figure = draw_clips(TABLE.iloc[:2])
    assert figure.axes[0].get_title(loc="left") == "crema_d: 2 of 2 good\nnone quarantined"
    assert re.match("2 clips, 0 of them", figure.get_suptitle())


@pytest.mark.slow
def test_five_corpora_leave_the_sixth_place_empty() -> None:
    table = pd.concat([TABLE.iloc[:2].assign(corpus=f"corpus{number}") for number in range(5)])
    assert [axes.get_visible() for axes in draw_clips(table).axes] == [True] * 5 + [False]
