"""The tables and templates of DVC's plots."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepemo.charts.predictors import predictor_colours
from deepemo.emotions import EMOTIONS
from deepemo.evaluation.files import confusion_table, write_plot_files
from deepemo.evaluation.report import SEEN, UNSEEN, UNSEEN_CORPUS, Evaluation

PREDICTORS = ("shallow", "transfer", "ensemble")
TEMPLATES = sorted((Path(__file__).parents[2] / ".dvc" / "plots").glob("recall_*.json"))


def test_a_cell_is_the_share_of_its_rows_clips() -> None:
    counts = np.zeros((7, 7), dtype=np.int64)
    counts[0, :2] = [3, 1]
    table = confusion_table(counts, EMOTIONS).set_index(["actual", "predicted"])
    assert table.loc[("angry", "angry"), "recall"] == 0.75
    assert table.loc[("angry", "disgust"), ["clips", "recall"]].tolist() == [1, 0.25]
    assert table.loc[("sad", "sad"), "recall"] == 0.0
    assert len(table) == 49


def test_each_predictor_and_role_has_its_file(tmp_path: Path, made_evaluation: Evaluation) -> None:
    write_plot_files(tmp_path, made_evaluation, (SEEN, UNSEEN, UNSEEN_CORPUS))
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.csv")}
    assert "confusion/ensemble_unseen_speakers.csv" in names
    assert len(names) == 3 * 3 + 1
    table = pd.read_csv(tmp_path / "confusion/shallow_seen_speakers.csv")
    report = made_evaluation.roles[SEEN].predictors["shallow"].overall
    assert table["clips"].tolist() == report.counts.ravel().tolist()
    diagonal = table[table["actual"] == table["predicted"]]["recall"].to_numpy()
    assert diagonal.mean() == pytest.approx(report.uar.value, abs=1e-4)
    assert pd.read_csv(tmp_path / "confusion/shallow_unseen_corpus.csv")["clips"].sum() == 0
    recall = pd.read_csv(tmp_path / "class_recall.csv")
    assert len(recall) == 2 * 3 * 7
    known = recall.dropna()
    assert ((known["low"] <= known["recall"]) & (known["recall"] <= known["high"])).all()


def _texts(content: object) -> list[object]:
    if isinstance(content, dict):
        return [text for value in content.values() for text in _texts(value)]
    if isinstance(content, list):
        return [content, *(text for value in content for text in _texts(value))]
    return [content]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_templates_keep_the_order_of_emotions_and_the_colours(path: Path) -> None:
    content = _texts(json.loads(path.read_text()))
    orders = [text for text in content if isinstance(text, list) and "angry" in text]
    assert orders
    assert all(order == list(EMOTIONS) for order in orders)
    assert "<DVC_METRIC_DATA>" in content
    predictors = [text for text in content if isinstance(text, list) and "shallow" in text]
    assert all(order == list(PREDICTORS) for order in predictors)
    colours = [text for text in content if isinstance(text, list) and str(text[:1]).startswith("['#")]
    assert all(found == list(predictor_colours(PREDICTORS).values()) for found in colours)


def test_there_are_templates() -> None:
    assert [path.stem for path in TEMPLATES] == ["recall_intervals", "recall_matrix"]
