"""The stage on a few made-up recordings under the names of a corpus."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from deepemo.params import Params
from deepemo.pipeline import load_params
from stages.validate import main

ROOT = Path(__file__).parents[2]
RATE_HZ = 44_100


def wav(hz: float) -> bytes:
    """A second of a tone; silence for 0 Hz."""
    content = io.BytesIO()
    soundfile.write(content, 0.2 * np.sin(2 * np.pi * hz * np.arange(RATE_HZ) / RATE_HZ), RATE_HZ, format="WAV")
    return content.getvalue()


@pytest.fixture
def params() -> Params:
    params = load_params(ROOT / "params.yaml")
    tones = params.validate_.model_copy(update={"exclude_no_voice": False})
    return params.model_copy(update={"validate_": tones})


def test_writes_the_clip_table_its_counts_the_quarantine_and_a_plot(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    with zipfile.ZipFile("data/raw/savee.zip", "w") as archive:
        for name, hz in {"a01": 200.0, "h02": 300.0, "n03": 0.0}.items():
            archive.writestr(f"DC/{name}.wav", wav(hz))
    assert main(params) == "validate: 3 clips, 2 good, 1 quarantined"
    clips = pd.read_csv("data/clips.csv", keep_default_na=False)
    assert clips[["clip", "emotion", "verdict", "reason"]].to_numpy().tolist() == [
        ["savee/DC_a01", "angry", "good", ""],
        ["savee/DC_h02", "happy", "good", ""],
        ["savee/DC_n03", "neutral", "quarantined", "silent"],
    ]
    assert pd.read_csv("reports/quarantine.csv")["clip"].tolist() == ["savee/DC_n03"]
    counts = json.loads(Path("metrics/validate.json").read_text())
    assert (counts["all"]["good"], counts["by_corpus"]["savee"]["reasons"]["silent"]) == (2, 1)
    assert Path("plots/validate/clips.png").read_bytes().startswith(b"\x89PNG")
