"""The paragraph of the network transferred from speech in the model card."""

from collections.abc import Mapping
from typing import Any

from deepemo.params import Params


def _discriminant(settings: Mapping[str, Any]) -> str:
    near, far = settings["discriminant_distances"]
    return (
        f"mixed with a linear discriminant (up to {near:g} times the usual distance from the training clips with a "
        f"share that validation chose, from {far:g} times with at least {settings['discriminant_share']:.0%}), "
    )


def paragraph(about: Mapping[str, Any], params: Params) -> str:
    """The network in words; see `ModelFamily.describe`."""
    settings, clip = about["settings"], about["features"]
    brought = settings.get("encoder_sha256")
    encoder = (
        "a network that was trained elsewhere to write down English speech,"
        if brought is None
        else f"an ONNX file that whoever ran the pipeline brought (sha256 `{brought}`), under a licence of its own,"
    )
    counted = "in all" if brought is None else "beside those of that file"
    return f"""\
`{settings["encoder"]}`, {encoder} hears the samples of a
  clip of at most {clip["clip_seconds"]:g} s at {clip["sample_rate_hz"]} Hz and is left as it was; trained was
  a head on {settings["components"]} principal components of the mean and the deviation over time of
  {len(settings["taps"])} of its layers: the mean of {settings["members"]} perceptrons, {_discriminant(settings)}and a
  second such head on how a clip differs from others of its voice;
  {about["parameters"]:,} parameters {counted}."""
