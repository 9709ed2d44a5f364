"""Stage `validate`: what every recording is, and whether it may be used."""

import json
from pathlib import Path

from deepemo.charts.style import save
from deepemo.charts.validation import draw_clips
from deepemo.dataset.clips import read_clips, write_clips
from deepemo.dataset.validate import find_archives, validate_recordings
from deepemo.dataset.validation_report import count_verdicts, write_quarantine
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write data/clips.csv, metrics/validate.json, reports/quarantine.csv and plots/validate/clips.png."""
    for folder in ("data", "metrics", "reports"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    verdicts = validate_recordings(find_archives(Path("data/raw")), params.validate_)
    write_clips(Path("data/clips.csv"), [verdict.clip for verdict in verdicts])
    write_quarantine(Path("reports/quarantine.csv"), verdicts)
    counts = count_verdicts(verdicts)
    Path("metrics/validate.json").write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
    save(draw_clips(read_clips(Path("data/clips.csv"))), Path("plots/validate/clips.png"))
    total = counts["all"]
    return f"validate: {total['clips']} clips, {total['good']} good, {total['quarantined']} quarantined"


if __name__ == "__main__":
    stage_main(main)
