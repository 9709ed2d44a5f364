"""Which processes train the siblings of each corpus."""

import json
import os
from functools import partial
from pathlib import Path

import pytest
import tensorflow as tf

from deepemo.evaluation.siblings import for_each
from deepemo.training.devices import CONFIG
from tests.fixtures.meeting import meet

CORPORA = ["east", "north", "south", "west"]


def name_and_process(corpus: str) -> tuple[str, int]:
    return corpus, os.getpid()


def name_and_process_of_two(meeting: Path, corpus: str) -> tuple[str, int]:
    meet(meeting, 2)
    return name_and_process(corpus)


@pytest.mark.slow
def test_processes_share_the_corpora_and_results_come_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CONFIG, raising=False)
    found = for_each(partial(name_and_process_of_two, tmp_path), CORPORA, len, workers=2, seed=1)
    assert [corpus for corpus, _ in found] == CORPORA
    processes = {process for _, process in found}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_this_process_does_what_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    here = [(corpus, os.getpid()) for corpus in CORPORA]
    monkeypatch.delenv(CONFIG, raising=False)
    assert for_each(name_and_process, CORPORA, len, workers=1, seed=1) == here
    assert for_each(name_and_process, CORPORA[:1], len, workers=2, seed=1) == here[:1]
    with monkeypatch.context() as patched:
        patched.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
        assert for_each(name_and_process, CORPORA, len, workers=2, seed=1) == here
    several = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv(CONFIG, json.dumps(several))
    assert for_each(name_and_process, CORPORA, len, workers=2, seed=1) == here
