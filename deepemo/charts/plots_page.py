"""The page of `dvc plots show`, which draws its plots without internet."""

from pathlib import Path

import vl_convert

from deepemo.files import PLOTS, write_text
from deepemo.models.registry import family_names

# .dvc/config names it as the template of DVC's page.
TEMPLATE = PLOTS / "page/template.html"
# The oldest version in the package. DVC's templates are written for Vega-Lite 5.
VEGA_LITE = "5.8"
# The name by which DVC's page calls the script for each plot.
EXPORT = "window.vegaEmbed = vegaEmbed;"
# These are drawn together, one picture per measure. DVC also draws each stage's file separately.
DRAWN_TOGETHER = tuple(f"plots_learning_curve_{family}_csv" for family in family_names())

_STYLE = """
        :root { color-scheme: light dark; }
        body { margin: 0 auto; padding: 1rem; max-width: 75rem; font-family: system-ui, sans-serif;
            background: light-dark(#f4f4f6, #17181c); }
        main { display: flex; flex-wrap: wrap; gap: 1rem; }
        main > div { max-width: 100%; box-sizing: border-box; padding: 1rem !important; border: 0 !important;
            border-radius: 0.5rem; background: #fff; color: #222; overflow-x: auto !important;
            text-align: left !important; white-space: normal !important; }
        main > div:has(img) { flex-basis: 100%; }
        main > div > div { max-width: 100%; margin: 0 1rem 0 0 !important; border: 0 !important; }
        main p { margin: 0 0 0.5rem; font-size: 0.85rem; color: #555; }
        main img { max-width: 100%; height: auto; }
"""
_HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    {refresh_tag}
    <title>DeepEmo: plots</title>
"""
_BODY = """
</head>
<body>
    <h1>DeepEmo: plots</h1>
    <main>
    {plot_divs}
    </main>
</body>
</html>
"""


def write_template(path: Path = TEMPLATE) -> None:
    """Write the template that `dvc plots show` and `dvc plots diff` fill.

    It holds Vega, Vega-Lite and Vega-Embed as one script, which sets `window.vegaEmbed`. They come from the installed
    package vl-convert-python. DVC's own page loads them from the internet and is blank without it.
    """
    script = vl_convert.javascript_bundle(EXPORT, vl_version=VEGA_LITE)
    hidden = ", ".join(f"#{name}" for name in DRAWN_TOGETHER)
    style = f"    <style>{_STYLE}        {hidden} {{ display: none; }}\n    </style>\n"
    write_text(path, f"{_HEAD}{style}    <script>{script}</script>{_BODY}")
