"""The paragraph of the network transferred from speech in the model card."""

from collections.abc import Mapping
from typing import Any

from deepemo.models.speech.family import NEAR
from deepemo.params import Params


def _discriminant(settings: Mapping[str, Any]) -> str:
    far = settings["discriminant_share"]
    if not far:
        return ""
    (alone, known), (near_end, far_start) = settings[NEAR], settings["discriminant_distances"]
    return f""", mixed
  with a linear discriminant. The discriminant's share is {alone:.0%} (with a known voice {known:.0%}) for clips up to
  {near_end:g} times the usual distance from the training clips, as validation chose, and at least {far:.0%} from
  {far_start:g} times"""


def _attending(settings: Mapping[str, Any]) -> str:
    members, segments = settings["attention_members"], settings["segments"]
    if not members or not segments or not settings.get("segment_width", 1):
        return ""
    networks = "a network that attends" if members == 1 else f"the mean of {members} networks that attend"
    return f""", averaged
  with {networks} over {segments} equal parts of the clip"""


def paragraph(about: Mapping[str, Any], params: Params) -> str:
    """The network in words; see `ModelFamily.describe`."""
    settings, clip = about["settings"], about["features"]
    brought = settings.get("encoder_sha256")
    name, hears, left, whose = f"`{settings['encoder']}`", "hears", "is left as it was", "its"
    if brought is not None:
        encoder = (
            f"an ONNX file that whoever ran the pipeline brought (sha256 `{brought}`), under a licence of its own,"
        )
    elif "+" in settings["encoder"]:
        name = " and ".join(f"`{part}`" for part in settings["encoder"].split("+"))
        encoder = "networks that were trained elsewhere to write down English speech,"
        hears, left, whose = "hear", "are left as they were", "their"
    else:
        encoder = "a network that was trained elsewhere to write down English speech,"
    components = settings["components"]
    first = min(settings["perceptron_components"], components)
    some = "" if first == components else f" on the first {first} of them"
    counted = "in all" if brought is None else "beside those of that file"
    return f"""\
{name}, {encoder} {hears} the samples of a
  clip of at most {clip["clip_seconds"]:g} s at {clip["sample_rate_hz"]} Hz and {left}. A head was trained on
  {components} principal components of the mean and the deviation over time of {len(settings["taps"])} of
  {whose} layers: the mean of {settings["members"]} perceptrons{some}{_attending(settings)}{_discriminant(settings)}.
  A second such head was trained on how a clip differs from others of its voice;
  {about["parameters"]:,} parameters {counted}."""
