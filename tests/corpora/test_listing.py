"""The list of corpora: licence, size and source of each, and what is on disk by the records beside the zips."""

import json
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deepemo.corpora.download.folders import Folder
from deepemo.corpora.download.packing import pack, take_stock
from deepemo.corpora.download.provenance import record_provenance, write_provenance
from deepemo.corpora.listing import CorpusState, describe_corpora, how_to_get, listing
from deepemo.corpora.registry import CORPORA, CORPUS_NAMES
from deepemo.serving.cli import app


@pytest.fixture
def raw_dir(tmp_path: Path) -> Path:
    """Raw corpora: two clips of SAVEE with their record, a zip of EmoDB without one."""
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for name in ("DC_a01.wav", "KL_sa02.wav"):
        (recordings / name).write_bytes(name.encode() * 100_000)
    raw = tmp_path / "raw"
    raw.mkdir()
    archive = raw / "savee.zip"
    contents = take_stock(CORPORA["savee"], [Folder(recordings)])
    pack(contents, archive)
    write_provenance(
        archive.with_suffix(".json"), record_provenance(CORPORA["savee"], contents, archive, source="/somewhere/savee")
    )
    with zipfile.ZipFile(raw / "emodb.zip", "w") as stranger:
        stranger.writestr("03a01Fa.wav", b"sound")
    return raw


def states(raw_dir: Path) -> dict[str, CorpusState]:
    return {state.corpus.name: state for state in describe_corpora(raw_dir)}


def test_every_corpus_is_listed_with_its_terms_size_and_way(tmp_path: Path) -> None:
    described = describe_corpora(tmp_path / "nowhere")
    assert [state.corpus.name for state in described] == list(CORPUS_NAMES)
    paragraphs = listing(described).split("\n\n")
    for state, paragraph in zip(described, paragraphs, strict=True):
        corpus = state.corpus
        assert paragraph.startswith(f"{corpus.name}  ({corpus.title})\n")
        for fact in (f"{corpus.clips:,} clips", corpus.licence, corpus.homepage, how_to_get(corpus)):
            assert fact in paragraph
        assert paragraph.endswith("on disk    nothing")
    assert "606 MB" in paragraphs[CORPUS_NAMES.index("crema_d")]


def test_way_to_a_corpus_tells_what_to_do() -> None:
    assert how_to_get(CORPORA["synthetic"]) == "download.corpora: [synthetic] makes it on this machine"
    assert how_to_get(CORPORA["ravdess"]).startswith("download.corpora: [ravdess] fetches it; or download.source_dir:")
    needs = "fetches it, and unpacks its RAR if this machine has unrar, unar, 7-Zip or bsdtar; or download.source_dir:"
    assert how_to_get(CORPORA["oreau"]).startswith(f"download.corpora: [oreau] {needs}")
    by_hand = how_to_get(CORPORA["savee"])
    assert by_hand.startswith("SAVEE is given out after registration alone: fetch it from http://kahlan.eps.surrey.ac.")
    assert by_hand.endswith("into <folder>/savee, then download.source_dir: <folder>")


def test_what_is_on_disk_is_told_from_its_record(raw_dir: Path) -> None:
    savee = states(raw_dir)["savee"]
    assert savee.provenance is not None
    assert f"{raw_dir / 'savee.zip'}: 2 of 480 recordings, 2 MB, from /somewhere/savee, 20" in savee.on_disk
    assert states(raw_dir)["tess"].on_disk == "nothing"


def test_zip_without_a_record_is_told(raw_dir: Path) -> None:
    assert states(raw_dir)["emodb"].on_disk.endswith("emodb.zip (0 MB) without emodb.json")


def test_zip_with_a_broken_record_is_told(raw_dir: Path) -> None:
    (raw_dir / "savee.json").write_text("{half a rec")
    savee = states(raw_dir)["savee"]
    assert savee.provenance is None
    assert "savee.zip (2 MB); " in savee.on_disk
    assert "savee.json: not JSON (" in savee.on_disk


def test_zip_of_another_size_than_recorded_is_told(raw_dir: Path) -> None:
    with (raw_dir / "savee.zip").open("ab") as stream:
        stream.write(b"more")
    savee = states(raw_dir)["savee"]
    assert savee.provenance is None
    assert savee.on_disk.endswith("run download again")


def test_record_without_its_zip_counts_as_nothing(raw_dir: Path) -> None:
    (raw_dir / "savee.zip").unlink()
    assert states(raw_dir)["savee"].on_disk == "nothing"


def test_command_prints_the_list(raw_dir: Path) -> None:
    answer = CliRunner().invoke(app, ["corpora", "--raw-dir", str(raw_dir)])
    assert answer.exit_code == 0, answer.output
    assert answer.output == listing(describe_corpora(raw_dir)) + "\n"


def test_command_prints_the_list_for_programs(raw_dir: Path) -> None:
    answer = CliRunner().invoke(app, ["corpora", "--raw-dir", str(raw_dir), "--json"])
    assert answer.exit_code == 0, answer.output
    listed = {entry["name"]: entry for entry in json.loads(answer.output)}
    assert list(listed) == list(CORPUS_NAMES)
    crema_d = CORPORA["crema_d"]
    assert listed["crema_d"] == {
        "name": "crema_d",
        "title": "CREMA-D",
        "language": "en",
        "clips": 7442,
        "size_bytes": 605_899_936,
        "speakers": 91,
        "emotions": ["angry", "disgust", "fear", "happy", "neutral", "sad"],
        "licence": crema_d.licence,
        "homepage": crema_d.homepage,
        "citation": crema_d.citation,
        "to_get_it": how_to_get(crema_d),
        "on_disk": "nothing",
        "provenance": None,
    }
    provenance = states(raw_dir)["savee"].provenance
    assert provenance is not None
    assert listed["savee"]["provenance"] == asdict(provenance)
    assert listed["savee"]["provenance"]["recordings"] == 2


def test_command_prints_a_table(raw_dir: Path) -> None:
    answer = CliRunner().invoke(app, ["corpora", "--raw-dir", str(raw_dir), "--table"])
    assert answer.exit_code == 0, answer.output
    header, *lines = answer.output.splitlines()
    assert header.split() == ["name", "language", "clips", "speakers", "emotions", "size", "here", "licence"]
    rows = {line.split()[0]: line.split() for line in lines}
    assert list(rows) == list(CORPUS_NAMES)
    assert rows["nemo"] == ["nemo", "pl", "4,481", "9", "6", "537", "MB", "-", "CC", "BY-NC-SA", "4.0"]
    assert rows["savee"][7] == "yes"


def test_a_corpus_of_ones_own_is_listed_last_and_its_faults_are_told(raw_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corpora" / "calls"
    folder.mkdir(parents=True)
    (folder / "corpus.yaml").write_text("title: Calls\nlicence: ours\nlanguage: pl\nnames: '{speaker}_{emotion}'\n")
    for name in ("ann_sad", "bob_angry"):
        (folder / f"{name}.wav").write_bytes(b"sound" * 100)
    command = ["corpora", "--raw-dir", str(raw_dir), "--source-dir", str(tmp_path / "corpora")]
    answer = CliRunner().invoke(app, command)
    assert answer.exit_code == 0, answer.output
    own = answer.output.split("\n\n")[-1]
    assert own.startswith("calls  (Calls)\n")
    assert "2 clips, 0 MB, language pl, 2 speakers" in own
    assert f"download.corpora: [calls] takes it from {folder}" in own
    (folder / "corpus.yaml").write_text("title: Calls\nlicence: ours\nlanguage: polish\n")
    answer = CliRunner().invoke(app, command)
    assert answer.exit_code == 2
    assert f"{folder}/corpus.yaml, line 3: language: found 'polish'" in answer.output
