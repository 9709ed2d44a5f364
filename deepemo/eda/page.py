"""The exploration as one page: a single HTML file with its pictures inside, which opens without internet."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

import pandas as pd

STYLE = """
:root { color-scheme: light dark; --paper: light-dark(#ffffff, #16181d); --ink: light-dark(#1d1f24, #e4e5e9);
  --soft: light-dark(#5a5f6b, #a3a8b4); --line: light-dark(#d9dbe1, #363a44); --link: light-dark(#0b57a4, #7fb8f5); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
a { color: var(--link); }
.page { display: grid; grid-template-columns: 15rem minmax(0, 56rem); gap: 2rem; max-width: 75rem; margin: 0 auto;
  padding: 1.5rem; }
nav { position: sticky; top: 1.5rem; align-self: start; max-height: calc(100vh - 3rem); overflow-y: auto;
  font-size: 0.9rem; }
nav ul { list-style: none; margin: 0 0 0.8rem; padding: 0; }
nav a { display: block; padding: 0.15rem 0; text-decoration: none; }
nav a:hover, nav a:focus { text-decoration: underline; }
h1 { margin: 0 0 0.5rem; line-height: 1.2; }
h2 { margin: 2.5rem 0 0.5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
section, figure { scroll-margin-top: 1rem; }
figure { margin: 1.5rem 0 2rem; }
figure img { display: block; width: 100%; max-width: 63rem; height: auto; padding: 0.5rem; border-radius: 0.4rem;
  background: #fff; border: 1px solid var(--line); }
figcaption, .note { color: var(--soft); margin-bottom: 0.5rem; }
.table { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
caption { text-align: left; color: var(--soft); padding-bottom: 0.4rem; }
.warning { border-left: 0.25rem solid #d55e00; padding: 0.3rem 0.8rem; }
@media (max-width: 60rem) {
  .page { grid-template-columns: minmax(0, 1fr); gap: 0.5rem; padding: 1rem; }
  nav { position: static; max-height: none; columns: 2; }
}
@media print { nav { display: none; } .page { display: block; } figure { break-inside: avoid; } }
"""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture on disk, in which section it stands, and what it tells."""

    path: Path
    section: str
    tells: str

    @property
    def title(self) -> str:
        """Its file name as words, without the number."""
        return self.path.stem.partition("_")[2].replace("_", " ").capitalize()


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with its caption, in the section that it opens."""

    section: str
    caption: str
    content: pd.DataFrame


def write_report(
    path: Path, *, title: str, summary: Sequence[str], pictures: Sequence[Shown], tables: Sequence[Table]
) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        title: of the page.
        summary: paragraphs above all pictures.
        pictures: in their order; neighbours of one section stand together.
        tables: shown at the head of their sections; the index is the first column.
    """
    sections = [(name, list(group)) for name, group in groupby(pictures, lambda picture: picture.section)]
    paragraphs = "\n".join(f"<p>{escape(paragraph)}</p>" for paragraph in summary)
    links, bodies = [], []
    for name, shown in sections:
        links.append(f'<a href="#{_anchor(name)}"><strong>{escape(name)}</strong></a>')
        links.append(
            "<ul>"
            + "".join(f'<li><a href="#{_anchor(one.title)}">{escape(one.title)}</a></li>' for one in shown)
            + "</ul>"
        )
        own = "\n".join(_table(table) for table in tables if table.section == name)
        figures = "\n".join(_figure(one) for one in shown)
        bodies.append(f'<section id="{_anchor(name)}">\n<h2>{escape(name)}</h2>\n{own}\n{figures}\n</section>')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<div class="page">
<nav aria-label="Pictures">
{"".join(links)}
</nav>
<main>
<h1>{escape(title)}</h1>
{paragraphs}
{"".join(bodies)}
</main>
</div>
</body>
</html>
""",
        encoding="utf-8",
    )


def _anchor(words: str) -> str:
    return words.lower().replace(" ", "-")


def _figure(shown: Shown) -> str:
    content = base64.b64encode(shown.path.read_bytes()).decode("ascii")
    return (
        f'<figure id="{_anchor(shown.title)}">\n<figcaption>{escape(shown.tells)}</figcaption>\n'
        f'<img alt="{escape(shown.title)}" src="data:image/png;base64,{content}">\n</figure>'
    )


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in ["", *table.content.columns])
    rows = "\n".join(
        f'<tr><th scope="row">{escape(str(name))}</th>'
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in row)
        + "</tr>"
        for name, row in zip(table.content.index, table.content.itertuples(index=False), strict=True)
    )
    return (
        f'<div class="table"><table><caption>{escape(table.caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )
