"""The processes of one server load the same model, even at different times."""

from dataclasses import replace
from pathlib import Path

import pytest

from deepemo.errors import InputError
from deepemo.http.served import Served
from deepemo.http.server import Settings
from deepemo.serving.bundle import BUNDLE_FILE


def test_a_bundle_that_was_replaced_since_the_start_is_refused(made_models: Path) -> None:
    served = Served.find(made_models, None, None, Settings())
    other = replace(served, bundle_sha256="0" * 64)
    with pytest.raises(InputError, match=rf"{made_models / BUNDLE_FILE}: found the digest .*, expected 000000000000"):
        other.load()
