"""The page of `dvc plots show` contains its scripts, in whatever folder it is written."""

import configparser
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc_render.base import Renderer
from playwright.sync_api import sync_playwright

from deepemo.charts.plots_page import DRAWN_TOGETHER, TEMPLATE, write_template
from deepemo.yaml12 import read_yaml

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CURVE = "plots/learning_curve.csv"


class Loaded(HTMLParser):
    """What a page's elements ask the browser to load, and its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts: list[str] = []
        self.inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = None

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts.append(data)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "new" / "template.html"
    write_template(path)
    return path


@pytest.fixture(scope="module")
def page(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `dvc plots show -o elsewhere` writes in a project with our config and template."""
    project = tmp_path_factory.mktemp("project")
    Repo.init(str(project), no_scm=True).close()
    config = (ROOT / ".dvc" / "config").read_text(encoding="utf-8")
    (project / ".dvc" / "config").write_text(config.replace("[core]", "[core]\n    no_scm = true"), encoding="utf-8")
    (project / TEMPLATE).parent.mkdir(parents=True)
    shutil.copy(template, project / TEMPLATE)
    rows = "".join(f"{epoch},{0.2 + 0.1 * epoch}\n" for epoch in range(6))
    (project / CURVE).write_text(f"epoch,val_uar\n{rows}", encoding="utf-8")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "page"
    command = [sys.executable, "-m", "dvc", "plots", "show", "-o", str(elsewhere), "-x", "epoch", CURVE]
    shown = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    return elsewhere / "index.html"


@pytest.mark.slow
def test_it_loads_nothing_from_anywhere(page: Path) -> None:
    found = Loaded()
    found.feed(page.read_text(encoding="utf-8"))
    assert found.addresses == []
    bundle, *drawn = found.scripts
    assert "window.vegaEmbed=" in bundle.replace(" ", "")
    assert not re.search(r"""\b(import|from)\s*\(?\s*["']https?:""", bundle)
    assert any("vegaEmbed(" in script and "val_uar" in script for script in drawn)


@pytest.mark.slow
def test_the_bundle_holds_nothing_that_ends_its_element_or_that_dvc_fills_in(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert text.count("</script") == 1
    assert "<!--" not in text
    assert [text.count(f"{{{place}}}") for place in ("refresh_tag", "plot_divs", "scripts")] == [1, 1, 0]


@pytest.mark.slow
def test_it_is_drawn_by_a_browser_without_internet(page: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("no chromium is installed; `apt-get install chromium` brings one")
    asked: list[str] = []
    troubles: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(offline=True)
        tab = context.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.goto(page.as_uri())
        drawing = tab.locator("main .vega-embed canvas, main .vega-embed svg").first
        drawing.wait_for(timeout=30_000)
        assert drawing.bounding_box()["width"] > 100
        browser.close()
    assert troubles == []
    assert [address for address in asked if not address.startswith(("data:", "blob:"))] == [page.as_uri()]


def test_dvc_is_pointed_at_what_the_stage_writes() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc" / "config")
    assert (ROOT / ".dvc" / config["plots"]["html_template"]).resolve() == ROOT / TEMPLATE
    outs = read_yaml(ROOT / "dvc.yaml")["stages"]["plots_page"]["outs"]
    assert outs == [{TEMPLATE.as_posix(): {"cache": False}}]
    # Third-party code, which is not committed.
    ignored = subprocess.run(["git", "check-ignore", "-q", TEMPLATE.as_posix()], cwd=ROOT)
    assert ignored.returncode == 0


@pytest.mark.slow
def test_what_is_drawn_together_is_not_drawn_again_by_itself(template: Path) -> None:
    pipeline = read_yaml(ROOT / "dvc.yaml")
    together = {path for plot in pipeline["plots"] for drawn in plot.values() for path in drawn["y"]}
    by_itself = {
        plot if isinstance(plot, str) else next(iter(plot))
        for stage in pipeline["stages"].values()
        for plot in stage.get("plots", [])
    }
    assert set(DRAWN_TOGETHER) == {Renderer.remove_special_chars(path) for path in together & by_itself}
    rule = ", ".join(f"#{name}" for name in DRAWN_TOGETHER) + " { display: none; }"
    assert rule in template.read_text(encoding="utf-8")
