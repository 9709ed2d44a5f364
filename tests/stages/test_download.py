"""The stage on a folder with a few recordings of one corpus."""

import json
import zipfile
from pathlib import Path

import pytest

from deepemo.params import Params
from deepemo.pipeline import load_params
from stages.download import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def params(tmp_path: Path) -> Params:
    params = load_params(ROOT / "params.yaml")
    (tmp_path / "mine/savee/DC").mkdir(parents=True)
    for name in ("a01", "sa02"):
        (tmp_path / f"mine/savee/DC/{name}.wav").write_bytes(name.encode())
    wanted = {"corpora": ["savee"], "source_dir": str(tmp_path / "mine")}
    return params.model_copy(update={"download": params.download.model_copy(update=wanted)})


def test_writes_one_zip_and_its_provenance_for_each_corpus(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(params) == "download: savee 2 of 480 recordings"
    assert capsys.readouterr().out == ""
    assert sorted(path.name for path in Path("data/raw").iterdir()) == ["savee.json", "savee.zip"]
    with zipfile.ZipFile("data/raw/savee.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "DC/a01.wav": b"a01",
            "DC/sa02.wav": b"sa02",
        }
    assert json.loads(Path("data/raw/savee.json").read_text())["source"] == str(tmp_path / "mine/savee")
