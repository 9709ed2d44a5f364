"""The paragraph of the network transferred from ImageNet in the model card."""

from collections.abc import Mapping
from typing import Any

from deepemo.models.imagenet.family import Embed, TrainTransfer
from deepemo.params import Params


def paragraph(about: Mapping[str, Any], params: Params) -> str:
    """The network in words; see `ModelFamily.describe`."""
    settings = about["settings"]
    blocks = params.section("train_transfer", TrainTransfer).finetune.trainable_blocks
    depths = " and ".join(f"{depth:.0%}" for depth in settings["depths"])
    tuned = (
        f"then at most {blocks} blocks up to there further with it" if blocks else "the network itself left as it was"
    )
    return f"""\
`{settings["backbone"]}` with `{params.section("embed", Embed).weights}` weights looks at the spectrogram as at a
  picture; a head on its maps at {depths} of its depth was trained, {tuned};
  {about["parameters"]:,} parameters in all."""
