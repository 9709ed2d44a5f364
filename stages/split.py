"""Stage `split`: every good clip's role."""

from deepemo.dataset.clips import good_clips, read_clips
from deepemo.dataset.split import ROLES, split_clips
from deepemo.files import CLIPS, SPLIT, write_csv
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write data/split.csv."""
    table = split_clips(good_clips(read_clips(CLIPS)), params.split, seed=params.seed)
    write_csv(SPLIT, table)
    counts = table["role"].value_counts()
    return "split: " + ", ".join(f"{counts[role]} {role}" for role in ROLES if role in counts)


if __name__ == "__main__":
    stage_main(main)
