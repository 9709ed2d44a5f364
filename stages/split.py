"""Stage `split`: every good clip's role."""

from pathlib import Path

from deepemo.dataset.clips import good_clips, read_clips, write_table
from deepemo.dataset.splitting import ROLES, split_clips
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write data/split.csv."""
    split = params.split
    table = split_clips(
        good_clips(read_clips(Path("data/clips.csv"))),
        unseen_speakers=split.unseen_speakers,
        validation_speakers=split.validation_speakers,
        held_out_corpora=split.held_out_corpora,
        unseen_share=split.unseen_share,
        validation_share=split.validation_share,
        test_share=split.test_share,
        seed=params.seed,
    )
    write_table(Path("data/split.csv"), table)
    counts = table["role"].value_counts()
    return "split: " + ", ".join(f"{counts[role]} {role}" for role in ROLES if role in counts)


if __name__ == "__main__":
    stage_main(main)
