"""Stage `split`: every good clip's role."""

from deepemo.dataset.clips import good_clips, read_clips
from deepemo.dataset.split import ROLES, other_emotions, split_clips, unlearned_emotions
from deepemo.files import CLIPS, SPLIT, write_csv
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write data/split.csv."""
    clips = good_clips(read_clips(CLIPS))
    table = split_clips(clips, params.split, emotions=params.emotions, seed=params.seed)
    write_csv(SPLIT, table)
    counts = table["role"].value_counts()
    for emotion in unlearned_emotions(table, params.emotions):
        print(f"warning: no training clip of {emotion}: no model of this run can name it")
    languages = ", ".join(sorted(table["language"].unique()))
    left_out = ", ".join(f"{count} {emotion}" for emotion, count in other_emotions(clips, params.emotions).items())
    return f"split: {', '.join(f'{counts[role]} {role}' for role in ROLES if role in counts)}; in {languages}" + (
        f"; left out, of other emotions: {left_out}" if left_out else ""
    )


if __name__ == "__main__":
    stage_main(main)
