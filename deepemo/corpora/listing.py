"""The listing of all corpora: terms of use, size, how to get each, and what is on disk."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deepemo.corpora.definition import ByHand, Corpus, Generated, Own, ZenodoRecord
from deepemo.corpora.download.own import own_corpus, own_names
from deepemo.corpora.download.provenance import Provenance, read_provenance, zip_bytes
from deepemo.corpora.download.rar import PROGRAMS, is_rar
from deepemo.corpora.registry import CORPORA
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError


@dataclass(frozen=True, kw_only=True)
class CorpusState:
    """A corpus, and what is on disk of it.

    Attributes:
        corpus: the corpus.
        on_disk: what the folder of raw corpora holds of it, as text.
        provenance: the record of its zip; None if there is none, or if the zip is missing or has another size.
    """

    corpus: Corpus
    on_disk: str
    provenance: Provenance | None = None


def describe_corpora(raw_dir: Path, source_dir: Path | None = None) -> list[CorpusState]:
    """Describe every known corpus: those of the catalogue in the order of their names, then the user's own.

    Only the size of a zip is compared with its record; the stage `download` compares its checksum.

    Args:
        raw_dir: folder of the zips and their records; may be missing.
        source_dir: folder that is searched for the user's own corpora; may be missing.

    Raises:
        InputError: a manifest or a table of the user's own is wrong.
        OSError: a record cannot be read.
    """
    own = [own_corpus((source_dir or Path()) / name) for name in own_names(source_dir)]
    return [_describe(corpus, raw_dir) for corpus in (*CORPORA.values(), *own)]


def how_to_get(corpus: Corpus) -> str:
    """What a user does to get a corpus, in one sentence."""
    wanted = f"download.corpora: [{corpus.name}]"
    match corpus.source:
        case Generated():
            return f"{wanted} makes it on this machine"
        case ByHand(url=url, reason=reason):
            return (
                f"{corpus.title} {reason}: fetch it from {url} into <folder>/{corpus.name}, "
                "then download.source_dir: <folder>"
            )
        case Own(folder=folder):
            return f"{wanted} takes it from {folder}, with download.source_dir: {folder.parent}"
        case ZenodoRecord(archive=archive) if archive and is_rar(archive):
            return (
                f"{wanted} fetches it, and unpacks its RAR if this machine has {PROGRAMS}; or download.source_dir: "
                f"<folder> where <folder>/{corpus.name} holds a copy"
            )
        case _:
            return f"{wanted} fetches it; or download.source_dir: <folder> where <folder>/{corpus.name} holds a copy"


def listing(states: list[CorpusState]) -> str:
    """The corpora as text: one paragraph of labelled lines for each."""
    return "\n\n".join(_paragraph(state) for state in states)


def short_listing(states: list[CorpusState]) -> str:
    """The corpora as a table: one line for each."""
    header = ("name", "language", "clips", "speakers", "emotions", "size", "here", "licence")
    rows = [
        (
            state.corpus.name,
            state.corpus.language,
            f"{state.corpus.clips:,}",
            _speakers(state.corpus),
            str(len(_emotions(state.corpus))),
            _size(state.corpus.size_bytes),
            "yes" if state.provenance else "-",
            state.corpus.licence,
        )
        for state in states
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    # Numbers are aligned right, words left.
    lines = [
        "  ".join(
            cell.rjust(width) if 2 <= place <= 5 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (header, *rows)
    ]
    return "\n".join(lines)


def json_listing(states: list[CorpusState]) -> str:
    """The corpora as a JSON array of objects. `provenance` is the record of what is on disk, or null."""
    return json.dumps([_object(state) for state in states], indent=2, ensure_ascii=False)


def _object(state: CorpusState) -> dict[str, Any]:
    corpus = state.corpus
    return {
        "name": corpus.name,
        "title": corpus.title,
        "language": corpus.language,
        "clips": corpus.clips,
        "size_bytes": corpus.size_bytes,
        "speakers": corpus.speakers,
        "emotions": _emotions(corpus),
        "licence": corpus.licence,
        "homepage": corpus.homepage,
        "citation": corpus.citation,
        "to_get_it": how_to_get(corpus),
        "on_disk": state.on_disk,
        "provenance": asdict(state.provenance) if state.provenance else None,
    }


def _emotions(corpus: Corpus) -> list[str]:
    """Those of the seven emotions that a corpus has, in their order; of a user's own corpus, those in its table."""
    told = set(corpus.emotions.values())
    if isinstance(corpus.source, Own) and corpus.labels:
        cells = (row["emotion"].value for row in corpus.labels.recordings.values() if "emotion" in row)
        told = {corpus.emotions.get(cell, "") for cell in cells}
    return [emotion for emotion in EMOTIONS if emotion in told]


def _speakers(corpus: Corpus) -> str:
    return "?" if corpus.speakers is None else str(corpus.speakers)


def _describe(corpus: Corpus, raw_dir: Path) -> CorpusState:
    archive = raw_dir / f"{corpus.name}.zip"
    record = archive.with_suffix(".json")
    if not archive.is_file():
        return CorpusState(corpus=corpus, on_disk="nothing")
    found_bytes = zip_bytes(archive)
    try:
        known = read_provenance(record)
    except InputError as error:
        return CorpusState(corpus=corpus, on_disk=f"{archive} ({_size(found_bytes)}); {error}")
    if known is None:
        return CorpusState(corpus=corpus, on_disk=f"{archive} ({_size(found_bytes)}) without {record.name}")
    if known.zip_bytes != found_bytes:
        on_disk = f"{archive} has {found_bytes:,} bytes, but {record.name} tells of {known.zip_bytes:,}"
        return CorpusState(corpus=corpus, on_disk=f"{on_disk}: run download again")
    share = f"{known.recordings:,} of {known.published_recordings:,} recordings"
    when = f", {known.fetched}" if known.fetched else ""
    return CorpusState(
        corpus=corpus,
        on_disk=f"{archive}: {share}, {_size(known.size_bytes)}, from {known.source}{when}",
        provenance=known,
    )


def _paragraph(state: CorpusState) -> str:
    corpus = state.corpus
    lines = {
        "what": f"{corpus.clips:,} clips, {_size(corpus.size_bytes)}, language {corpus.language}, "
        f"{_speakers(corpus)} speakers, {len(_emotions(corpus))} of the seven emotions",
        "licence": corpus.licence,
        **({"homepage": corpus.homepage} if corpus.homepage else {}),
        "to get it": how_to_get(corpus),
        "on disk": state.on_disk,
    }
    return "\n".join([f"{corpus.name}  ({corpus.title})", *(f"  {label:<10} {text}" for label, text in lines.items())])


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"
