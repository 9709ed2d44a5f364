"""The scripts with which the page of `dvc plots show` draws its plots without internet."""

from pathlib import Path

import vl_convert

from deepemo.files import write_text

# The oldest version that the package holds; DVC's templates are written for Vega-Lite 5.
VEGA_LITE = "5.8"
# The name by which DVC's page calls the script for each plot.
EXPORT = "window.vegaEmbed = vegaEmbed;"


def write_scripts(path: Path) -> None:
    """Write Vega, Vega-Lite and Vega-Embed as one script that sets `window.vegaEmbed`.

    They come from the installed package vl-convert-python. DVC's own page loads them from the internet and stays blank
    without it; the template `.dvc/page/plots.html` looks for this file first.

    Args:
        path: of the JavaScript file.
    """
    write_text(path, vl_convert.javascript_bundle(EXPORT, vl_version=VEGA_LITE))
