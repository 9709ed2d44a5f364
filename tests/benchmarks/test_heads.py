"""The heads of `speech` are judged on the validation clips alone, without references and with them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import _heads
from deepemo.dataset.shards import write_shards
from deepemo.emotions import EMOTIONS

COLUMNS = ["clip", "corpus", "language", "speaker", "gender", "emotion", "role"]


class _Rote:
    """Hears the emotion that is shown, and the one before it where it knows the voice."""

    about: dict[str, Any] = {"emotions": list(EMOTIONS)}  # noqa: RUF012 - as a loaded model has it

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        return 5 * inputs

    def components(self, inputs: np.ndarray) -> np.ndarray:
        return inputs

    def relative_logits(self, components: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        return self.logits(np.roll(components - offsets, -1, axis=1))


def test_heads_are_judged_on_validation_without_references_and_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, shown = [], []
    for role in ("train", "validation", "test_unseen"):
        for emotion in EMOTIONS:
            for take in range(4):
                clip = f"made/{role}_{emotion}_{take}"
                rows.append((clip, "made", "en", f"made/{role}", "male", emotion, role))
                # Of validation, three takes of angry, two of each other emotion; the others are one place further on.
                right = role == "validation" and take < (3 if emotion == "angry" else 2)
                shown.append((EMOTIONS.index(emotion) + (not right)) % 7)
    (tmp_path / "data").mkdir()
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / "data/split.csv", index=False)
    arrays = zip([row[0] for row in rows], np.eye(7)[shown], strict=True)
    write_shards(tmp_path / "data/embeddings/speech", arrays, shards=2, shape=(7,), about={})
    loaded = []
    monkeypatch.setattr(_heads, "load", lambda folder: loaded.append(folder) or _Rote())
    figures = _heads.judge(tmp_path)
    assert loaded == [tmp_path / "models/speech"]
    assert figures == {
        "heads.uar": round((3 / 4 + 6 * 2 / 4) / 7, 4),
        "heads.accuracy": round((3 + 6 * 2) / 28, 4),
        # Those that are right alone are wrong here, and those that are shown one place further on are right.
        "heads.voices_known.uar": round((1 / 4 + 6 * 2 / 4) / 7, 4),
    }
