"""The stage on a tiny made-up run: its outputs, that workers change nothing, and which models it uses."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepemo.dataset.clips import COLUMNS
from deepemo.errors import InputError
from deepemo.params import Params
from deepemo.pipeline import load_params
from stages.robustness import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def params() -> Params:
    params = load_params(ROOT / "params.yaml")
    return params.model_copy(
        update={"robustness": params.robustness.model_copy(update={"clips": 9, "bootstrap_samples": 100})}
    )


@pytest.fixture
def run(
    tmp_path: Path,
    made_models: Path,
    made_split: pd.DataFrame,
    speech: np.ndarray,
    wav: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A folder with the outputs of the earlier stages. Every clip is the same sentence from another position on."""
    shutil.copytree(made_models, tmp_path / "models")
    (tmp_path / "data/raw").mkdir(parents=True)
    made_split.to_csv(tmp_path / "data/split.csv", index=False)
    clips = made_split.drop(columns="role").assign(
        verdict="good", member=[f"{row % 20}.wav" for row in range(len(made_split))]
    )
    clips.reindex(columns=list(COLUMNS), fill_value="").to_csv(tmp_path / "data/clips.csv", index=False)
    for corpus in ("north", "south"):
        with zipfile.ZipFile(tmp_path / f"data/raw/{corpus}.zip", "w") as archive:
            for number in range(20):
                archive.writestr(f"{number}.wav", wav(speech[number * 900 :]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


OUTPUTS = ("metrics/robustness.json", "reports/robustness.md", "plots/robustness/conditions.png")


@pytest.mark.slow
def test_the_stage_writes_the_same_with_any_workers(run: Path, params: Params) -> None:
    said = main(params)
    assert said.startswith("robustness: ensemble loses ")
    assert said.endswith("on 9 clips")
    first = {name: (run / name).read_bytes() for name in OUTPUTS}
    content = json.loads(first["metrics/robustness.json"])
    assert (content["clips_of"], content["clips"]) == ("unseen_speakers", 9)
    for predictor in ("shallow", "transfer", "ensemble"):
        assert len(content[predictor]) == 15
        for found in content[predictor].values():
            assert 0 <= found["uar"] <= 1
    assert content["shallow"] != content["transfer"]
    assert "| noise 10 dB |" in first["reports/robustness.md"].decode()
    alone = params.model_copy(update={"robustness": params.robustness.model_copy(update={"workers": 1})})
    main(alone)
    assert {name: (run / name).read_bytes() for name in OUTPUTS} == first


def test_networks_that_were_not_evaluated_are_refused(run: Path, params: Params) -> None:
    weights = run / "models/shallow/model.weights.h5"
    weights.write_bytes(weights.read_bytes() + b"0")
    with pytest.raises(InputError, match="the network was changed after its evaluation"):
        main(params)
    shutil.rmtree(run / "models/serving")
    with pytest.raises(InputError, match=r"bundle\.json"):
        main(params)
