"""Features that a small network learns in no time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepemo.dataset.shards import write_shards
from deepemo.emotions import EMOTIONS

FRAMES, BANDS = 12, 14
SPEC = {
    "sample_rate_hz": 16000, "kind": "mel", "clip_seconds": 0.24, "trim_below_db": None, "window_seconds": 0.064,
    "hop_seconds": 0.02, "mel_bands": BANDS, "min_hz": 50.0, "max_hz": 8000.0, "range_db": 80.0,
}  # fmt: skip


@pytest.fixture
def easy(tmp_path: Path) -> Path:
    """Features in which each emotion lights two bands of its own, and a split of them."""
    rng = np.random.default_rng(0)
    rows, arrays = [], []
    for number in range(140):
        emotion = number % 7
        values = rng.uniform(0, 0.4, (FRAMES, BANDS))
        values[:, 2 * emotion : 2 * emotion + 2] += 0.5
        clip = f"made/{number:03d}"
        arrays.append((clip, values))
        rows.append({"clip": clip, "emotion": EMOTIONS[emotion], "role": "validation" if number >= 105 else "train"})
    write_shards(tmp_path / "features", arrays, shards=4, shape=(FRAMES, BANDS), about={"features": SPEC})
    pd.DataFrame(rows).to_csv(tmp_path / "split.csv", index=False)
    return tmp_path
