"""Fixtures for every test: where the real recordings are, if anywhere."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpora_dir() -> Path:
    """Folder of the unpacked real recordings; skips, saying so, where DEEPEMO_CORPORA names none."""
    named = os.environ.get("DEEPEMO_CORPORA")
    if not named:
        pytest.skip("DEEPEMO_CORPORA does not name a folder of real recordings")
    return Path(named)
