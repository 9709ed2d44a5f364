"""The page of `dvc plots show` brings its own scripts, and says what is missing where it cannot."""

import configparser
import re
from pathlib import Path

import yaml
from dvc_render.base import Renderer
from dvc_render.html import HTML

from deepemo.charts.plots_page import write_scripts

ROOT = Path(__file__).parents[2]


def test_the_scripts_set_what_dvc_calls_and_fetch_nothing(tmp_path: Path) -> None:
    write_scripts(tmp_path / "page" / "vega.js")
    text = (tmp_path / "page" / "vega.js").read_text(encoding="utf-8")
    assert "window.vegaEmbed=" in text.replace(" ", "")
    assert not re.search(r"""\b(import|from)\s*["']https?:""", text)
    assert "</script" not in text


def test_what_is_drawn_together_is_not_drawn_again_by_itself() -> None:
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    together = {path for plot in pipeline["plots"] for drawn in plot.values() for path in drawn["y"]}
    by_itself = {
        plot if isinstance(plot, str) else next(iter(plot))
        for stage in pipeline["stages"].values()
        for plot in stage.get("plots", [])
    }
    rule = re.search(r"([#\w, ]+) { display: none; }", (ROOT / ".dvc/page/plots.html").read_text(encoding="utf-8"))
    assert rule is not None
    assert set(rule[1].strip().split(", ")) == {
        f"#{Renderer.remove_special_chars(path)}" for path in together & by_itself
    }


def test_dvc_is_pointed_at_a_template_that_it_accepts() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc" / "config")
    template = (ROOT / ".dvc" / config["plots"]["html_template"]).read_text(encoding="utf-8")
    page = (
        HTML(template).with_scripts("<script src='online.js'></script>").with_element("<div id='drawn'></div>").embed()
    )
    # Own scripts first; those of DVC lie inert in a template until the others turn out to be missing.
    own, online = page.index("../plots/page/vega.js"), page.index("online.js")
    assert own < page.index("<template") < online < page.index("</template>") < page.index("id='drawn'")
    assert "{scripts}" not in page
    assert "{plot_divs}" not in page
