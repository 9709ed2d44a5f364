"""Stage `plots_page`: the scripts by which `dvc plots show` draws without internet."""

from pathlib import Path

from deepemo.charts.plots_page import write_scripts
from deepemo.params import Params
from stages._run import stage_main


def main(_: Params) -> str:
    """Write plots/page/vega.js."""
    path = Path("plots/page/vega.js")
    write_scripts(path)
    return f"plots_page: {path.stat().st_size / 1e6:.1f} MB of drawing scripts"


if __name__ == "__main__":
    stage_main(main)
