from pathlib import Path

import pytest

from deepemo.pipeline import load_params
from stages.plots_page import main


@pytest.mark.slow
def test_the_template_is_written_where_dvc_looks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = load_params(Path(__file__).parents[2] / "params.yaml")
    monkeypatch.chdir(tmp_path)
    assert main(params).endswith(" MB, drawing scripts included")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()] == [
        "plots/page/template.html"
    ]
