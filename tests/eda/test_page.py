import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from deepemo.eda.page import Table, write_report
from deepemo.eda.plots import PlotFile

PICTURES = {"01_rates_by_class": b"one", "02_lengths": b"two", "03_pitch": b"three"}


class Page(HTMLParser):
    """What a page links to, embeds and names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def values(self, tag: str, attribute: str) -> list[str | None]:
        return [attributes[attribute] for name, attributes in self.tags if name == tag and attribute in attributes]


@pytest.fixture
def text(tmp_path: Path) -> str:
    plots = []
    for (name, content), section in zip(PICTURES.items(), ["Choice", "Choice", "How it sounds"], strict=True):
        (tmp_path / f"{name}.png").write_bytes(content)
        plots.append(PlotFile(path=tmp_path / f"{name}.png", section=section, text=f"{name} <tells> & more"))
    table = Table(section="Choice", caption="a < b", content=pd.DataFrame({"50%": ["<1>"]}, index=["angry"]))
    path = tmp_path / "reports" / "page.html"
    write_report(path, title="A & B", summary=["First <b>.", "Second."], plots=plots, tables=[table])
    return path.read_text(encoding="utf-8")


def test_every_picture_is_inside(text: str) -> None:
    sources = Page(text).values("img", "src")
    prefix = "data:image/png;base64,"
    assert all(source is not None and source.startswith(prefix) for source in sources)
    assert [base64.b64decode(str(source).removeprefix(prefix)) for source in sources] == list(PICTURES.values())
    assert all(Page(text).values("img", "alt"))


def test_nothing_is_fetched_and_nothing_runs(text: str) -> None:
    page = Page(text)
    assert not re.search(r"https?:|url\(|@import", text)
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe"} == set()
    assert page.open == []


def test_the_navigation_leads_to_each_section_and_picture(text: str) -> None:
    page = Page(text)
    links = [str(link) for link in page.values("a", "href")]
    places = [str(place) for tag in ("section", "figure") for place in page.values(tag, "id")]
    assert sorted(links) == sorted(f"#{place}" for place in places)
    assert len(set(places)) == len(places) == 5


def test_words_are_words_and_no_markup(text: str) -> None:
    assert "<title>A &amp; B</title>" in text
    assert "First &lt;b&gt;." in text
    assert "a &lt; b" in text
    assert "<td>&lt;1&gt;</td>" in text
    assert "&lt;tells&gt; &amp; more" in text


def test_light_and_dark_are_both_thought_of(text: str) -> None:
    assert "color-scheme: light dark" in text
    assert 'name="viewport"' in text
