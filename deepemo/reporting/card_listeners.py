"""Section of the model card on listeners: how well people name the emotions, and the model on the same clips."""

from collections.abc import Mapping, Sequence

from deepemo.charts.predictors import ROLE_TITLES
from deepemo.evaluation.agreement import AgreementBand
from deepemo.reporting.markdown import estimate, per_cent, table

WORDS = """\
Makers of some corpora asked people what they heard in the voice alone. The agreement of a clip is the share of them who
named the emotion that was meant; its mean is how often people are right. Where few agree, the label is the actor's
intention alone, and a model that follows it has learned the actors.\
"""


def listeners(bands: Mapping[str, Sequence[AgreementBand]]) -> str:
    """Accuracy of people and of the model by agreement; empty if nobody was asked.

    Args:
        bands: by test role, see `deepemo.evaluation.agreement.score_by_agreement`.
    """
    if not bands:
        return ""
    parts = [WORDS]
    for role, found in bands.items():
        rows = [
            (_named(band), band.model.clips, per_cent(band.listeners), estimate(band.model.accuracy)) for band in found
        ]
        listed = table(("listeners who agreed", "clips", "accuracy of people", "accuracy of the model"), rows)
        parts.append(f"**{ROLE_TITLES[role].capitalize()}**\n\n{listed}")
    return "\n\n".join(parts) + "\n"


def _named(band: AgreementBand) -> str:
    if (band.low, band.high) == (0.0, 1.0):
        return "any share"
    return f"{band.low:.0%} to {band.high:.0%}"
