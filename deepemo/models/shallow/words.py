"""The paragraph of the shallow CNN in the model card."""

from collections.abc import Mapping
from typing import Any

from deepemo.params import Params


def paragraph(about: Mapping[str, Any], params: Params) -> str:
    """The network in words; see `ModelFamily.describe`."""
    channels = "-".join(str(count) for count in about["settings"]["channels"])
    return f"""\
a convolutional network trained from scratch, pairs of convolutions with
  {channels} channels and attention over time;
  {about["parameters"]:,} parameters."""
