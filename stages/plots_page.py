"""Stage `plots_page`: the template with which `dvc plots show` draws without internet."""

from deepemo.charts.plots_page import TEMPLATE, write_template
from deepemo.params import Params
from stages._run import stage_main


def main(_: Params) -> str:
    """Write plots/page/template.html."""
    write_template()
    return f"plots_page: a template of {TEMPLATE.stat().st_size / 1e6:.1f} MB, drawing scripts included"


if __name__ == "__main__":
    stage_main(main)
