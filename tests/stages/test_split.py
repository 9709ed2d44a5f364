"""The stage on the table of a few made-up clips."""

from pathlib import Path

import pandas as pd
import pytest

from deepemo.dataset.clips import QUARANTINED, Clip, write_clips
from deepemo.dataset.split import COLUMNS
from deepemo.emotions import EMOTIONS
from deepemo.pipeline import load_params
from stages.split import main

ROOT = Path(__file__).parents[2]


def test_writes_a_role_for_every_good_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clips = [
        Clip(
            clip=f"made/{speaker}_{emotion}_{take}",
            corpus="made",
            language="en",
            member=f"{speaker}_{emotion}_{take}.wav",
            speaker=f"made/{speaker}",
            gender="female" if speaker % 2 else "male",
            emotion=emotion,
        )
        for speaker in range(8) for emotion in EMOTIONS for take in range(10)
    ]  # fmt: skip
    bad = Clip(clip="made/bad", corpus="made", member="bad.wav", verdict=QUARANTINED, reason="silent")
    write_clips(Path("data/clips.csv"), [*clips, bad])
    line = main(load_params(ROOT / "params.yaml"))
    table = pd.read_csv("data/split.csv")
    assert table.columns.tolist() == list(COLUMNS)
    assert table["clip"].tolist() == [clip.clip for clip in clips]
    counts = table["role"].value_counts()
    assert (
        line
        == "split: "
        + ", ".join(f"{counts[role]} {role}" for role in ("train", "validation", "test_seen", "test_unseen"))
        + "; in en"
    )
