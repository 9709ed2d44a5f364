"""How alike corpora sound: how well a linear classifier tells them apart by the long-term spectrum.

A high value is a warning: a model of emotions could also recognize the corpus, and name the emotion that is most
frequent in it. All values are for speakers that the classifier did not learn from, so it cannot use voices.
"""

from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from deepemo.eda.measure import Measurements


def classify_corpora(measurements: Measurements) -> float | None:
    """How well a classifier tells all corpora apart at once.

    Returns:
        Mean recall over the corpora; None if there is only one corpus, or if a corpus has only one speaker.
    """
    speakers = measurements.table.groupby("corpus")["speaker"].nunique()
    if len(speakers) < 2 or speakers.min() < 2:
        return None
    return _told_apart(measurements.table, measurements.spectra)


def tell_pairs(measurements: Measurements) -> pd.DataFrame:
    """How well a classifier tells each pair of corpora apart.

    Returns:
        Mean recall over the two corpora, by corpus and corpus: 0.5 if they sound alike, 1 if no clip is mistaken. NaN
        for a corpus with itself, and for corpora with only one speaker, who cannot be left out. Empty for fewer than
        three corpora, because `classify_corpora` gives the same figure for two.
    """
    table = measurements.table
    names = sorted(table["corpus"].unique())
    if len(names) < 3:
        return pd.DataFrame()
    pairs = pd.DataFrame(np.nan, index=names, columns=names)
    speakers = table.groupby("corpus")["speaker"].nunique()
    for one, other in combinations([name for name in names if speakers[name] > 1], 2):
        rows = table["corpus"].isin([one, other]).to_numpy()
        pairs.loc[one, other] = pairs.loc[other, one] = _told_apart(table[rows], measurements.spectra[rows])
    return pairs


def _told_apart(table: pd.DataFrame, spectra: np.ndarray) -> float:
    # Use only bands below half of every native rate. Higher bands would reveal the rate.
    known = np.isfinite(spectra).all(axis=0)
    corpora = table["corpus"].nunique()
    predicted = cross_val_predict(
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=np.full(corpora, 1 / corpora)),
        spectra[:, known],
        table["corpus"],
        groups=table["speaker"],
        cv=LeaveOneGroupOut(),
    )
    return float(balanced_accuracy_score(table["corpus"], predicted))
