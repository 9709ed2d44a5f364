"""Stage `plots_page`: the scripts with which `dvc plots show` draws without internet."""

from deepemo.charts.plots_page import write_scripts
from deepemo.files import PLOTS
from deepemo.params import Params
from stages._run import stage_main


def main(_: Params) -> str:
    """Write plots/page/vega.js."""
    path = PLOTS / "page" / "vega.js"
    write_scripts(path)
    return f"plots_page: {path.stat().st_size / 1e6:.1f} MB of drawing scripts"


if __name__ == "__main__":
    stage_main(main)
