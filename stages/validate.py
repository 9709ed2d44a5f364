"""Stage `validate`: the properties of every recording, and whether it is good or quarantined."""

from deepemo.charts.style import save
from deepemo.charts.validation import draw_clips
from deepemo.dataset.clips import read_clips, write_clips
from deepemo.dataset.validate import count_verdicts, find_archives, validate_recordings, write_quarantine
from deepemo.files import CLIPS, METRICS, PLOTS, RAW, REPORTS, write_json
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write data/clips.csv, metrics/validate.json, reports/quarantine.csv and plots/validate/clips.png."""
    verdicts = validate_recordings(find_archives(RAW), params.validate_)
    write_clips(CLIPS, [verdict.clip for verdict in verdicts])
    write_quarantine(REPORTS / "quarantine.csv", verdicts)
    counts = count_verdicts(verdicts)
    write_json(METRICS / "validate.json", counts)
    save(draw_clips(read_clips(CLIPS)), PLOTS / "validate" / "clips.png")
    total = counts["all"]
    return f"validate: {total['clips']} clips, {total['good']} good, {total['quarantined']} quarantined"


if __name__ == "__main__":
    stage_main(main)
