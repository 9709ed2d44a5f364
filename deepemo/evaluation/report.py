"""The evaluation of all predictors on all test roles: figures, intervals, comparisons, confidence, baselines."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from deepemo.arrays import Int64Array
from deepemo.dataset.split import TEST_CORPUS, TEST_SEEN, TEST_UNSEEN, VALIDATION
from deepemo.emotions import Emotions
from deepemo.evaluation import metrics as scores
from deepemo.evaluation.comparison import Comparison, compare
from deepemo.evaluation.confidence import Confidence, ConfidenceReport, judge_confidence
from deepemo.evaluation.ensemble import of_new_voices
from deepemo.evaluation.groups import BY_CLIP, BY_SPEAKER, Estimate, GroupScores, Resampling, difference, score
from deepemo.evaluation.other_origin import OtherOrigin
from deepemo.evaluation.predictions import Predictions

SEEN = "seen_speakers"
UNSEEN = "unseen_speakers"
UNSEEN_CORPUS = "unseen_corpus"
# This is not a test role: every corpus is left out of training in turn, see `deepemo.evaluation.cross_corpus`.
LEFT_OUT_CORPORA = "left_out_corpora"
ROLE_NAMES = {TEST_SEEN: SEEN, TEST_UNSEEN: UNSEEN, TEST_CORPUS: UNSEEN_CORPUS}
# Unseen speakers are a sample of all speakers, and their clips are not independent. Seen speakers are not a sample.
RESAMPLED_BY = {SEEN: BY_CLIP, UNSEEN: BY_SPEAKER, UNSEEN_CORPUS: BY_SPEAKER}


@dataclass(frozen=True)
class Confused:
    """Clips of one emotion that were predicted as another, and their share of that emotion's clips."""

    actual: str
    predicted: str
    clips: int
    share: float


@dataclass(frozen=True)
class PredictorReport:
    """One predictor on one test role.

    Attributes:
        overall: scores on all clips.
        corpora: scores by corpus.
        languages: scores by language.
        genders: scores by gender, where it is known.
        corpora_genders: scores by `corpus, gender`.
        gender_gap: female minus male, for each headline figure; empty unless both occur.
        speakers: clips and accuracy of each speaker, the worst first.
        confused: all mistakes, the largest share first.
        confidence: calibration, and the result of answering only when sure.
    """

    overall: GroupScores
    corpora: dict[str, GroupScores]
    languages: dict[str, GroupScores]
    genders: dict[str, GroupScores]
    corpora_genders: dict[str, GroupScores]
    gender_gap: dict[str, Estimate]
    speakers: dict[str, tuple[int, float]]
    confused: list[Confused]
    confidence: ConfidenceReport


@dataclass(frozen=True)
class RoleReport:
    """Every predictor on one test role."""

    clips: int
    speakers: int
    predictors: dict[str, PredictorReport]
    comparisons: list[Comparison]
    majority: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """Every predictor on every test role that has clips.

    Attributes:
        emotions: of the run.
        roles: by `seen_speakers`, `unseen_speakers`, `unseen_corpus`.
        gaps: by predictor and headline figure, seen minus unseen speakers.
        corpus_gaps: the same within each corpus that is in both tests, by predictor, corpus and figure.
        confidences: by predictor, fitted on validation clips.
        ensemble_weights: of each model in the ensemble, also fitted on validation clips.
        validation_uar: by predictor, on `deepemo.evaluation.ensemble.of_new_voices`; the highest is chosen.
        majority_emotion: the most frequent emotion in training, which the baseline always predicts.
        resamples: number of bootstrap samples.
        cross_corpus: content of metrics/cross_corpus.json.
        other_origins: confidence in recordings of other origin, by the predictors that were judged on corpora left out.
    """

    emotions: Emotions
    roles: dict[str, RoleReport]
    gaps: dict[str, dict[str, Estimate]]
    corpus_gaps: dict[str, dict[str, dict[str, Estimate]]]
    confidences: dict[str, Confidence]
    ensemble_weights: dict[str, float]
    validation_uar: dict[str, float]
    majority_emotion: str
    resamples: int
    cross_corpus: Mapping[str, Any]
    other_origins: dict[str, OtherOrigin]

    @property
    def chosen(self) -> str:
        """The predictor with the highest UAR on validation; the tests play no part in the choice."""
        return max(self.validation_uar, key=lambda predictor: self.validation_uar[predictor])

    @property
    def chance(self) -> float:
        """Accuracy and UAR of guessing among the emotions."""
        return 1.0 / len(self.emotions)


def most_confused(counts: Int64Array, emotions: Emotions) -> list[Confused]:
    """Mistakes in confusion counts [classes, classes]; the largest share of the true emotion's clips comes first."""
    totals = counts.sum(axis=1)
    found = [
        Confused(actual, predicted, int(counts[row, column]), float(counts[row, column] / totals[row]))
        for row, actual in enumerate(emotions)
        for column, predicted in enumerate(emotions)
        if row != column and counts[row, column]
    ]
    return sorted(found, key=lambda mistake: (-mistake.share, mistake.actual, mistake.predicted))


def _speakers(predictions: Predictions, predictor: str) -> dict[str, tuple[int, float]]:
    right = pd.Series(predictions.labels == predictions.answers(predictor))
    groups = [
        (str(name), len(group), float(group.mean())) for name, group in right.groupby(predictions.clips["speaker"])
    ]
    return {name: (clips, accuracy) for name, clips, accuracy in sorted(groups, key=lambda group: (group[2], group[0]))}


def _groups(predictions: Predictions, predictor: str, resampling: Resampling, column: str) -> dict[str, GroupScores]:
    """Scores by the values of a column; clips with an empty value are in no group."""
    return {
        value: score(predictions.where(column, value), predictor, resampling)
        for value in sorted(predictions.clips[column].unique())
        if value
    }


def report_predictor(
    predictions: Predictions, predictor: str, confidence: Confidence, resampling: Resampling
) -> PredictorReport:
    """Everything about one predictor on the clips of one role."""
    overall = score(predictions, predictor, resampling)
    genders = _groups(predictions, predictor, resampling, "gender")
    corpora = _groups(predictions, predictor, resampling, "corpus")
    corpora_genders = {
        f"{corpus}, {gender}": group
        for corpus in corpora
        for gender, group in _groups(predictions.where("corpus", corpus), predictor, resampling, "gender").items()
    }
    gap = {}
    if {"female", "male"} <= set(genders):
        gap = {figure: difference(genders["female"], genders["male"], figure) for figure in scores.HEADLINES}
    return PredictorReport(
        overall=overall,
        corpora=corpora,
        languages=_groups(predictions, predictor, resampling, "language"),
        genders=genders,
        corpora_genders=corpora_genders,
        gender_gap=gap,
        speakers=_speakers(predictions, predictor),
        confused=most_confused(overall.counts, predictions.emotions),
        confidence=judge_confidence(predictions, predictor, confidence),
    )


def evaluate(
    predictions: Predictions,
    confidences: Mapping[str, Confidence],
    *,
    ensemble_weights: Mapping[str, float],
    heard: Collection[str],
    majority_emotion: str,
    cross_corpus: Mapping[str, Any],
    other_origins: Mapping[str, OtherOrigin],
    samples: int,
    seed: int,
) -> Evaluation:
    """Compute every figure.

    Args:
        predictions: of clips of all roles but training.
        confidences: by predictor, fitted on validation.
        ensemble_weights: of each model in the ensemble.
        heard: the speakers of the training clips.
        majority_emotion: the most frequent emotion in training.
        cross_corpus: content of metrics/cross_corpus.json.
        other_origins: by predictor, fitted on corpora left out.
        samples: bootstrap samples of each interval.
        seed: of the draws.
    """
    emotions, roles = predictions.emotions, {}
    for role, name in ROLE_NAMES.items():
        chosen = predictions.where("role", role)
        if not len(chosen):
            continue
        resampling = Resampling(samples, seed, RESAMPLED_BY[name])
        always = scores.confusion(chosen.labels, np.full(len(chosen), emotions.index(majority_emotion)), len(emotions))
        roles[name] = RoleReport(
            clips=len(chosen),
            speakers=int(chosen.clips["speaker"].nunique()),
            predictors={
                predictor: report_predictor(chosen, predictor, confidences[predictor], resampling)
                for predictor in chosen.predictors
            },
            # The later predictor, which is the more complex one, is compared with the earlier one.
            comparisons=[
                compare(chosen, later, earlier, resampling) for earlier, later in combinations(chosen.predictors, 2)
            ],
            majority={figure: float(taken(always)) for figure, taken in scores.HEADLINES.items()},
        )
    gaps: dict[str, dict[str, Estimate]] = {}
    corpus_gaps: dict[str, dict[str, dict[str, Estimate]]] = {}
    if {SEEN, UNSEEN} <= set(roles):
        for predictor in predictions.predictors:
            seen, unseen = roles[SEEN].predictors[predictor], roles[UNSEEN].predictors[predictor]
            gaps[predictor] = {figure: difference(seen.overall, unseen.overall, figure) for figure in scores.HEADLINES}
            corpus_gaps[predictor] = {
                corpus: {
                    figure: difference(seen.corpora[corpus], unseen.corpora[corpus], figure)
                    for figure in scores.HEADLINES
                }
                for corpus in seen.corpora
                if corpus in unseen.corpora
            }
    choosing = of_new_voices(predictions.where("role", VALIDATION), heard)
    return Evaluation(
        emotions=emotions,
        roles=roles,
        gaps=gaps,
        corpus_gaps=corpus_gaps,
        confidences=dict(confidences),
        ensemble_weights=dict(ensemble_weights),
        validation_uar={
            predictor: float(scores.uar(scores.confusion(choosing.labels, choosing.answers(predictor), len(emotions))))
            for predictor in predictions.predictors
        },
        majority_emotion=majority_emotion,
        resamples=samples,
        cross_corpus=cross_corpus,
        other_origins=dict(other_origins),
    )
