"""The page of the exploration: one HTML file that contains its plots and needs no internet."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from deepemo.eda.plots import CHOICE, SOUND, PlotFile
from deepemo.eda.recommend import quantiles
from deepemo.emotions import EMOTIONS
from deepemo.files import write_text

TABLE_COVERAGES = (0.5, 0.8, 0.9, 0.95, 1.0)

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
class Table:
    """A table with its caption, at the beginning of a section."""

    section: str
    caption: str
    content: pd.DataFrame


def summarize(clips: pd.DataFrame, figures: dict[str, Any], coverage: float) -> list[str]:
    """The main results in a few sentences.

    Args:
        clips: good rows of the clip table.
        figures: see `deepemo.eda.explore.explore`.
        coverage: the wanted share.
    """
    corpora = ", ".join(sorted(clips["corpus"].unique()))
    hours = clips["seconds"].sum() / 3600
    counts = clips["emotion"].value_counts()
    best, first = figures["recommended"], figures["first_deepemo"]
    sentences = [
        f"{len(clips):,} clips of {figures['speakers']} speakers, {hours:.1f} hours, from: {corpora}. The rarest "
        f"class, {counts.index[-1]}, has {counts.iloc[-1]:,} clips, the most frequent one, {counts.index[0]}, "
        f"{counts.iloc[0]:,}.",
        f"To hold {coverage:.0%} of every class: {best['sample_rate_hz']:,} Hz and {best['clip_seconds']:g} s, which "
        f"are {best['frames']:,} samples. Of all clips, {best['native_share']:.0%} reach this rate natively and "
        f"{best['held_share']:.0%} are no longer. With silent ends cut off, "
        f"{figures['clip_seconds_without_silent_ends']:g} s hold {coverage:.0%} of every class.",
        f"The first DeepEmo's {first['frames']:,} samples at {first['sample_rate_hz']:,} Hz are "
        f"{first['clip_seconds']:.2f} s: here {first['held_share']:.0%} of the clips are no longer, and "
        f"{first['native_share']:.0%} reach this rate natively.",
    ]
    by_spectrum = figures.get("corpus_told_by_spectrum")
    if by_spectrum:
        sentences.append(
            "By the long-term spectrum alone, a linear classifier tells the corpus of "
            f"{by_spectrum['accuracy']:.0%} of the clips of speakers that it never heard (mean over corpora; by chance "
            f"{by_spectrum['chance']:.0%}). Scores within each corpus are therefore worth more than scores over all of "
            "them."
        )
    apart = figures.get("corpora_told_apart")
    if apart:
        pairs = sorted((share, one, other) for one, row in apart.items() for other, share in row.items() if one < other)
        if pairs:
            (least, *alike), (most, *unlike) = pairs[0], pairs[-1]
            sentences.append(
                f"Of pairs of corpora, {' and '.join(alike)} sound most alike ({least:.0%} of the clips told apart; "
                f"50% by chance), {' and '.join(unlike)} least ({most:.0%})."
            )
    return sentences


def tabulate(clips: pd.DataFrame, figures: dict[str, Any]) -> list[Table]:
    """The tables of the page: rates and lengths by coverage, level and pitch by class.

    Args:
        clips: good rows of the clip table.
        figures: see `deepemo.eda.explore.explore`.
    """
    rows = quantiles(clips, TABLE_COVERAGES).itertuples()
    covering = {(row.emotion, row.coverage): f"{row.sample_rate_hz:,} Hz, {row.clip_seconds:.2f} s" for row in rows}
    present = [emotion for emotion in EMOTIONS if (clips["emotion"] == emotion).any()]
    rates = {f"{coverage:.0%}": [covering[name, coverage] for name in present] for coverage in TABLE_COVERAGES}
    voices = {"median level (dBFS)": [f"{figures['loudness_dbfs'][emotion]:.1f}" for emotion in present]}
    for gender, pitches in figures["pitch_hz"].items():
        voices[f"median pitch, {gender} (Hz)"] = _cells(pitches, present)
    return [
        Table(
            section=CHOICE,
            caption="The rate that this share of a class's clips reach natively, and the length that holds it",
            content=pd.DataFrame(rates, index=present),
        ),
        Table(section=SOUND, caption="Loudness and pitch of each class", content=pd.DataFrame(voices, index=present)),
    ]


def write_report(
    path: Path, *, title: str, summary: Sequence[str], plots: Sequence[PlotFile], tables: Sequence[Table]
) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        title: of the page.
        summary: paragraphs above all plots.
        plots: in the order of their sections.
        tables: for the beginning of their sections; the index is the first column.
    """
    sections = [(name, list(group)) for name, group in groupby(plots, lambda plot: plot.section)]
    paragraphs = "\n".join(f"<p>{escape(paragraph)}</p>" for paragraph in summary)
    links, bodies = [], []
    for name, files in sections:
        links.append(f'<a href="#{_anchor(name)}"><strong>{escape(name)}</strong></a>')
        links.append(
            "<ul>"
            + "".join(f'<li><a href="#{_anchor(file.title)}">{escape(file.title)}</a></li>' for file in files)
            + "</ul>"
        )
        own = "\n".join(_table(table) for table in tables if table.section == name)
        figures = "\n".join(_figure(file) for file in files)
        bodies.append(f'<section id="{_anchor(name)}">\n<h2>{escape(name)}</h2>\n{own}\n{figures}\n</section>')
    write_text(
        path,
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
    )


def _anchor(words: str) -> str:
    return words.lower().replace(" ", "-")


def _figure(file: PlotFile) -> str:
    content = base64.b64encode(file.path.read_bytes()).decode("ascii")
    return (
        f'<figure id="{_anchor(file.title)}">\n<figcaption>{escape(file.text)}</figcaption>\n'
        f'<img alt="{escape(file.title)}" src="data:image/png;base64,{content}">\n</figure>'
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


def _cells(values: dict[str, float], emotions: Sequence[str]) -> list[str]:
    return [f"{values[emotion]:.0f}" if emotion in values else "" for emotion in emotions]
