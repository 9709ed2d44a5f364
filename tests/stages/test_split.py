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


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Clip]:
    """The good clips of a table of which one is bad."""
    monkeypatch.chdir(tmp_path)
    good = [
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
    write_clips(Path("data/clips.csv"), [*good, bad])
    return good


def test_writes_a_role_for_every_good_clip(clips: list[Clip]) -> None:
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


def test_clips_of_other_emotions_are_left_out_and_counted(clips: list[Clip]) -> None:
    chosen = ("angry", "neutral", "sad")
    line = main(load_params(ROOT / "params.yaml").model_copy(update={"emotions": chosen}))
    table = pd.read_csv("data/split.csv")
    assert table["clip"].tolist() == [clip.clip for clip in clips if clip.emotion in chosen]
    assert line.endswith("; in en; left out, of other emotions: 80 disgust, 80 fear, 80 happy, 80 surprise")
