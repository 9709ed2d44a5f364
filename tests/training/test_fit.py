"""What a checkpoint is bound to."""

from typing import Any

import pandas as pd
import pytest

from deepemo.models.shallow.family import TrainShallow
from deepemo.pipeline import load_params
from deepemo.training import fit
from deepemo.training.fit import training_fingerprint


def fingerprint(**changed: Any) -> str:
    section = load_params().section("train_shallow", TrainShallow)
    usual = {"name": "shallow", "section": section, "inputs": ["0a"], "split": pd.DataFrame({"clip": ["a"]})}
    return training_fingerprint(**{**usual, "emotions": ("angry", "sad"), "seed": 1, **changed})


def test_a_checkpoint_is_of_the_same_code_inputs_and_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fingerprint() == fingerprint()
    changes: list[dict[str, Any]] = [
        {"name": "other"},
        {"inputs": ["0b"]},
        {"split": pd.DataFrame({"clip": ["b"]})},
        {"emotions": ("angry", "happy")},
        {"seed": 2},
    ]
    others = {fingerprint(**change) for change in changes}
    before = fingerprint()
    monkeypatch.setattr(fit, "code_digest", lambda: "another revision")
    others.add(fingerprint())
    assert len(others) == 6
    assert before not in others
