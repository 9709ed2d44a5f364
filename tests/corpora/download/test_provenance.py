"""The record of a corpus: read as written; an invalid one is an error with what was found and expected."""

import json
from pathlib import Path
from typing import Any

import pytest

from deepemo.corpora.download.provenance import Provenance, read_provenance, write_provenance
from deepemo.errors import InputError

RECORD = Provenance(
    corpus="tess",
    title="TESS",
    language="en",
    homepage="https://example.org",
    licence="CC BY-NC-ND 4.0",
    citation="Dupüis K (2020)",
    source="/somewhere/tess",
    published_digest="",
    fetched="",
    recordings=2,
    published_recordings=2800,
    repeated=0,
    size_bytes=1000,
    sha256="0" * 64,
    zip_bytes=1200,
    zip_sha256="1" * 64,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tess.json"
    write_provenance(path, RECORD)
    return path


def test_a_record_is_read_as_it_was_written(path: Path) -> None:
    assert read_provenance(path) == RECORD
    assert [file.name for file in path.parent.iterdir()] == ["tess.json"]


def test_no_record_is_none(path: Path) -> None:
    assert read_provenance(path.with_name("savee.json")) is None


@pytest.mark.parametrize("content", [b"", b"{half a rec", b"\xff\xfe{}", b"\x00" * 64])
def test_what_is_not_json_is_told(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"tess\.json: not JSON \(.*\), expected the record of a corpus"):
        read_provenance(path)


@pytest.mark.parametrize(("content", "kind"), [("[]", "list"), ("7", "int"), ("null", "NoneType")])
def test_json_that_is_no_object_is_told(path: Path, content: str, kind: str) -> None:
    path.write_text(content)
    with pytest.raises(InputError, match=rf"tess\.json: .*found {kind}, expected a JSON object"):
        read_provenance(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recordings": None}, "found None as 'recordings', expected a whole number"),
        ({"zip_bytes": "1200"}, "found '1200' as 'zip_bytes', expected a whole number"),
        ({"zip_bytes": True}, "found True as 'zip_bytes', expected a whole number"),
        ({"size_bytes": 1.5}, "found 1.5 as 'size_bytes', expected a whole number"),
        ({"licence": 4}, "found 4 as 'licence', expected text"),
        ({"colour": "blue"}, "found 'colour', expected none but ['citation', 'corpus',"),
    ],
)
def test_a_field_of_another_kind_is_told(path: Path, change: dict[str, Any], message: str) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError) as raised:
        read_provenance(path)
    assert str(raised.value).startswith(f"{path}: expected the record of a corpus: {message}")


def test_every_missing_field_is_told_at_once(path: Path) -> None:
    record = json.loads(path.read_text())
    del record["sha256"], record["repeated"]
    path.write_text(json.dumps(record))
    with pytest.raises(InputError) as raised:
        read_provenance(path)
    assert str(raised.value).endswith("found no 'repeated', expected a whole number; found no 'sha256', expected text")
