"""The tables of a corpus in audformat's layout: a header `db.yaml` that describes CSV files `db.<table>.csv`.

Format: https://audeering.github.io/audformat/data-format.html. Only the columns of the tables and the labels of schemes
are read from a header. Tables of whole files are used; tables of segments of files are not.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepemo.corpora.definition import GENDERS
from deepemo.corpora.tables import SideTable
from deepemo.errors import InputError

HEADER = "db.yaml"
# Names that corpora give to a speaker's gender.
GENDER_NAMES = ("gender", "sex")


def tables_of(
    header: Any, columns: Mapping[str, str], *, chosen: Sequence[str] | None, source: str
) -> tuple[SideTable, ...]:
    """The tables of whole files that have one of the wanted columns.

    Args:
        header: content of `db.yaml`.
        columns: names of columns by what they tell: `emotion`, `speaker` and so on.
        chosen: names of the tables to use; None for all that have one of the columns.
        source: the header's file, for errors.

    Raises:
        InputError: it is not a header of audformat, a chosen table does not exist, or no table has the emotion or the
            speaker.
    """
    tables = _part(header, "tables", source)
    for name in chosen or ():
        if name not in tables:
            raise InputError(f"{source}: tables: found no {name!r}, expected it among {sorted(tables)}")
    found = []
    for name, about in tables.items():
        own = {what: column for what, column in columns.items() if column in (about.get("columns") or {})}
        if about.get("type") == "filewise" and own and (chosen is None or name in chosen):
            found.append(SideTable(path=f"db.{name}.csv", key="file", columns=own))
    for what in ("emotion", "speaker"):
        if not any(what in table.columns for table in found):
            raise InputError(
                f"{source}: found no table of whole files with the column {columns[what]!r}, expected one that tells "
                f"the {what} among {sorted(tables)}"
            )
    return (*found, *_speaker_table(header, columns["speaker"]))


def speaker_genders(header: Any, speaker_column: str) -> dict[str, str]:
    """Genders by speaker code; empty if the scheme of the speakers does not list them."""
    labels = _speaker_labels(header, speaker_column)
    if not isinstance(labels, dict):
        return {}
    genders = {}
    for speaker, about in labels.items():
        told = about if isinstance(about, dict) else {}
        genders[str(speaker)] = next((str(told[name]) for name in GENDER_NAMES if told.get(name) in GENDERS), "")
    return genders if any(genders.values()) else {}


def _speaker_table(header: Any, speaker_column: str) -> Iterator[SideTable]:
    """The table of speakers, if the labels of their scheme name a table and it has a column of genders."""
    name = _speaker_labels(header, speaker_column)
    about = (header.get("misc_tables") or {}).get(name) if isinstance(name, str) else None
    if about is None:
        return
    levels = about.get("levels") or {}
    key = next(iter(levels)) if levels else speaker_column
    for gender in GENDER_NAMES:
        if gender in (about.get("columns") or {}):
            yield SideTable(path=f"db.{name}.csv", about="speaker", key=key, columns={"gender": gender})
            return


def _speaker_labels(header: Any, speaker_column: str) -> Any:
    """Labels of the scheme of the column that names speakers: a mapping, a list, or the name of a table."""
    for about in (header.get("tables") or {}).values():
        column = (about.get("columns") or {}).get(speaker_column)
        if isinstance(column, dict):
            return ((header.get("schemes") or {}).get(column.get("scheme_id")) or {}).get("labels")
    return None


def _part(header: Any, key: str, source: str) -> dict[str, Any]:
    part = header.get(key) if isinstance(header, dict) else None
    if not isinstance(part, dict) or not all(isinstance(about, dict) for about in part.values()):
        raise InputError(f"{source}: {key}: found {type(part).__name__}, expected the tables of an audformat database")
    return part
