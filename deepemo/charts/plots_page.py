"""The scripts that let the page of `dvc plots show` draw its plots without internet."""

from pathlib import Path

import vl_convert

# The oldest that the package holds: DVC's templates are written for Vega-Lite 5.
VEGA_LITE = "5.8"
# What DVC's page calls for each plot.
EXPORT = "window.vegaEmbed = vegaEmbed;"


def write_scripts(path: Path) -> None:
    """Write Vega, Vega-Lite and Vega-Embed as one script that sets `window.vegaEmbed`.

    They come out of the installed package vl-convert-python. DVC's own page loads them from the internet instead, and
    is blank without it; the template `.dvc/page/plots.html` looks for this file first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(vl_convert.javascript_bundle(EXPORT, vl_version=VEGA_LITE), encoding="utf-8")
