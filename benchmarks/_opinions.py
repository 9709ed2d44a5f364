"""Opinions on whether an embedded sound is speech, and the judgement of what they refuse."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression

from deepemo.arrays import Float32Array
from deepemo.models.speech.opinion import speech_opinion
from deepemo.reporting.markdown import table

DISTANCE_COMPONENTS = 64  # of a distance to speech, and of the regression
REGULARISATION = 0.003  # the inverse of its strength, as scikit-learn's C
SPEECH, OTHER = "speech", "another corpus"
AS_BUILT = "discriminant, as the gate has it"
NOTHING, MADE, KINDS_TOO = "nothing else", "made sounds", "made sounds and the other kinds"

Project = Callable[[Float32Array], Float32Array]
Score = Callable[[Float32Array], Float32Array]


@dataclass(frozen=True)
class Sounds:
    """Embedded sounds.

    Attributes:
        embeddings: float32 [n, width].
        kinds: kind of sound, or corpus, [n].
        passing: whether the gate accepts each, bool [n].
        conditions: how each was changed, [n].
    """

    embeddings: Float32Array
    kinds: npt.NDArray[np.str_]
    passing: npt.NDArray[np.bool_]
    conditions: npt.NDArray[np.str_]

    def where(self, chosen: npt.NDArray[np.bool_]) -> Self:
        """Those that are chosen, bool [n]."""
        return type(self)(self.embeddings[chosen], self.kinds[chosen], self.passing[chosen], self.conditions[chosen])


def _distance(speech: Float32Array, _: Float32Array) -> Score:
    """Mahalanobis distance to the mean of speech; it learns from speech alone."""
    deviation = speech[:, :DISTANCE_COMPONENTS].std(axis=0)
    return lambda values: -np.square(values[:, :DISTANCE_COMPONENTS] / deviation).sum(axis=1)


def _discriminant(speech: Float32Array, sounds: Float32Array) -> Score:
    """The opinion of the gate; its own threshold is at 0."""
    kernel, bias = speech_opinion(speech, np.zeros((0, *speech.shape), np.float32), sounds, seed=0)
    return lambda values: values @ kernel[:, 0] + bias


def _regression(speech: Float32Array, sounds: Float32Array) -> Score:
    """Logistic regression on few components."""
    deviation = speech[:, :DISTANCE_COMPONENTS].std(axis=0)
    values = np.concatenate([speech, sounds])[:, :DISTANCE_COMPONENTS] / deviation
    labels = np.repeat([1, 0], [len(speech), len(sounds)])
    model = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=300).fit(values, labels)
    return lambda values: model.decision_function(values[:, :DISTANCE_COMPONENTS] / deviation)


@dataclass(frozen=True)
class Opinion:
    """A way to tell speech from sounds.

    Attributes:
        learn: from components of speech and of sounds, float32 [n, components] each, to a score that is higher for
            speech.
        source: the sounds.
        threshold: score below which a sound is refused; None to set it by the share of speech that may be refused.
    """

    learn: Callable[[Float32Array, Float32Array], Score]
    source: str
    threshold: float | None = None


OPINIONS: Mapping[str, Opinion] = {
    "distance to speech": Opinion(_distance, NOTHING),
    "logistic regression": Opinion(_regression, MADE),
    "discriminant": Opinion(_discriminant, MADE),
    AS_BUILT: Opinion(_discriminant, MADE, 0.0),
    "logistic regression, other kinds too": Opinion(_regression, KINDS_TOO),
    "discriminant, other kinds too": Opinion(_discriminant, KINDS_TOO),
}


def judge(
    learned: Mapping[str, tuple[Project, Float32Array]],
    speech: Sounds,
    recorded: Sounds,
    made: Sounds,
    sounds: Sounds,
    *,
    refused_speech: float,
) -> pd.DataFrame:
    """Which near misses and which speech each opinion refuses, one row for each answer.

    Args:
        learned: by the corpus left out of learning (empty: none), the components of embeddings, and those of the
            speech that is learned from.
        speech: of unheard speakers, by corpus.
        recorded: near misses derived from recordings, by kind.
        made: near misses derived from made sounds, by kind.
        sounds: made sounds that are learned from, by kind.
        refused_speech: share of speech at which the threshold is set, on corpora that are learned from.
    """
    rows = []
    groups = {"recorded": recorded, "made": made}
    questions = [(group, kind) for group, asked in groups.items() for kind in sorted(set(asked.kinds[asked.passing]))]
    for held, (project, training) in learned.items():
        known = (speech.kinds != held) & (speech.kinds != OTHER)
        unheard = ~known if held else speech.kinds == OTHER
        heard, values = project(speech.embeddings), {name: project(asked.embeddings) for name, asked in groups.items()}
        learnable = project(sounds.embeddings)
        for name, opinion in OPINIONS.items():
            learnt: dict[str, tuple[Score, float]] = {}
            for group, kind in questions:
                too = opinion.source == KINDS_TOO
                left_out = kind if too or (opinion.source == MADE and group == "made") else ""
                if left_out not in learnt:
                    others = [learnable[sounds.kinds != left_out]]
                    others += [values["recorded"][recorded.kinds != left_out]] if too else []
                    joined = np.concatenate(others)
                    score = opinion.learn(training, joined)
                    threshold = opinion.threshold
                    if threshold is None:
                        threshold = float(np.quantile(score(heard[known]), refused_speech))
                    learnt[left_out] = score, threshold
                score, threshold = learnt[left_out]
                is_asked = (groups[group].kinds == kind) & groups[group].passing
                rows += [(name, held, group, kind, "", answer) for answer in score(values[group][is_asked]) < threshold]
                labels = speech.kinds[unheard], speech.conditions[unheard], score(heard[unheard]) < threshold
                rows += [(name, held, SPEECH, *label) for label in zip(*labels, strict=True)]
    return pd.DataFrame(rows, columns=["opinion", "held", "group", "kind", "condition", "refused"])


def report(answers: pd.DataFrame) -> str:
    """Tables of the shares that are refused: by opinion, and by kind of sound."""
    rates = answers.groupby(["opinion", "group"], sort=False)["refused"].mean()
    by_condition = answers[answers["group"] == SPEECH].groupby(["opinion", "condition"])["refused"].mean()
    other = answers[answers["kind"] == OTHER].groupby("opinion")["refused"].mean()
    rows = [
        (
            name,
            OPINIONS[name].source,
            *(f"{100 * rates[name, group]:.0f} %" for group in ("recorded", "made")),
            f"{100 * rates[name, SPEECH]:.2f} %",
            f"{100 * by_condition[name].max():.2f} % ({_words(by_condition[name].idxmax())})",
            f"{100 * other[name]:.2f} %",
        )
        for name in OPINIONS
    ]
    header = (
        "opinion",
        "learned from speech and",
        "near misses refused",
        "of made sounds",
        "speech refused",
        "in the worst condition",
        OTHER,
    )
    kinds = answers[answers["group"] != SPEECH]
    once = kinds[(kinds["opinion"] == kinds["opinion"].iloc[0]) & (kinds["held"] == kinds["held"].iloc[0])]
    counts = once["kind"].value_counts()
    by_kind = kinds.pivot_table(index="kind", columns="opinion", values="refused", sort=False)
    names = [name for name in OPINIONS if name in by_kind]
    parts = [
        (_words(str(kind)), counts[kind], *(f"{100 * row[name]:.0f} %" for name in names))
        for kind, row in by_kind.iterrows()
    ]
    return f"{table(header, rows)}\n\n{table(('kind', 'near misses', *names), parts)}\n"


def _words(label: str) -> str:
    return label.replace("_dbfs", " dBFS").replace("_db", " dB").replace("_", " ")
