"""Scores by the share of listeners who heard the intended emotion, for corpora that were rated by listeners."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepemo.evaluation.groups import GroupScores, Resampling, score
from deepemo.evaluation.predictions import Predictions
from deepemo.evaluation.report import RESAMPLED_BY, ROLE_NAMES

# Lower ends of the bands of agreement; the last band includes 1.
BANDS = (0.0, 0.25, 0.5, 0.75)


@dataclass(frozen=True)
class AgreementBand:
    """Clips with a similar agreement of listeners with the label.

    Attributes:
        low: lower end of the agreement, inclusive.
        high: upper end, exclusive unless it is 1.
        listeners: mean agreement: the share of listeners' answers that were right.
        model: scores of the predictor on the same clips.
    """

    low: float
    high: float
    listeners: float
    model: GroupScores


def score_by_agreement(
    predictions: Predictions, predictor: str, clips: pd.DataFrame, *, samples: int, seed: int
) -> dict[str, list[AgreementBand]]:
    """Score a predictor on the clips of each test role, by their agreement.

    Args:
        predictions: of clips of all roles.
        predictor: which one.
        clips: the clip table, with the column `agreement`.
        samples: bootstrap samples of each interval.
        seed: of the draws.

    Returns:
        By the role's name, first a band of all clips with an agreement, then the bands that have clips. Roles without
        listeners are left out.
    """
    agreement = predictions.clips["clip"].map(clips.set_index("clip")["agreement"]).to_numpy(dtype=np.float64)
    found = {}
    for role, name in ROLE_NAMES.items():
        asked = (predictions.clips["role"] == role).to_numpy() & ~np.isnan(agreement)
        ends = [(0.0, 1.0), *zip(BANDS, (*BANDS[1:], 1.0), strict=True)]
        resampling = Resampling(samples, seed, RESAMPLED_BY[name])
        bands = []
        for low, high in ends:
            chosen = asked & (agreement >= low) & ((agreement < high) | (high == 1.0))
            if chosen.any():
                own = predictions.only(chosen)
                bands.append(
                    AgreementBand(low, high, float(agreement[chosen].mean()), score(own, predictor, resampling))
                )
        if bands:
            found[name] = bands
    return found
