"""The predictors in adverse conditions: the same clips in all conditions, compared with the clips as recorded."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from deepemo.arrays import Float32Array, Float64Array
from deepemo.audio.io.decode import read_recording
from deepemo.audio.samples import resample, rms
from deepemo.corpora.archive import Archive
from deepemo.dataset.split import TEST_CORPUS, TEST_SEEN, TEST_UNSEEN
from deepemo.emotions import Emotions
from deepemo.errors import InputError
from deepemo.evaluation.calibration import softmax
from deepemo.evaluation.comparison import Difference, compare
from deepemo.evaluation.conditions import BABBLE_VOICES, CLEAN, Heard, conditions
from deepemo.evaluation.groups import Estimate, Resampling, score
from deepemo.evaluation.predictions import CLIP_COLUMNS, Predictions
from deepemo.evaluation.report import RESAMPLED_BY, ROLE_NAMES
from deepemo.models.family import FrontEnd, TrainedModel
from deepemo.params import Robustness
from deepemo.threads import map_in_threads

# Number of other clips from which the voices of each clip's babble are drawn.
_POOL_CLIPS = 60
DIGITS = 4


@dataclass(frozen=True)
class ConditionScores:
    """One predictor in one condition.

    Attributes:
        accuracy: share of correct predictions.
        uar: mean recall over the emotions present.
        accuracy_change: change relative to the clips as recorded; a loss is below 0.
        uar_change: the same for the mean recall.
    """

    accuracy: Estimate
    uar: Estimate
    accuracy_change: Difference
    uar_change: Difference


@dataclass(frozen=True)
class RobustnessReport:
    """Every predictor in every condition.

    Attributes:
        role: the role of the clips, one of the names in `deepemo.evaluation.report`.
        clips: number of clips.
        speakers: number of speakers.
        resampled_by: `clip` or `speaker`, for the intervals of changes.
        scores: by predictor and condition.
    """

    role: str
    clips: int
    speakers: int
    resampled_by: str
    scores: dict[str, dict[str, ConditionScores]]

    @property
    def conditions(self) -> list[str]:
        """Names of the conditions, in their order."""
        return list(next(iter(self.scores.values())))

    def worst(self, predictor: str) -> str:
        """The condition in which a predictor loses most UAR."""
        scores = self.scores[predictor]
        return min(
            (condition for condition in scores if condition != CLEAN),
            key=lambda condition: scores[condition].uar_change.value,
        )


def draw_clips(split: pd.DataFrame, count: int, *, seed: int) -> pd.DataFrame:
    """Draw test clips: of speakers never heard; without any, of a corpus never heard; else of heard speakers.

    Args:
        split: the split table.
        count: number of clips to draw; all if there are fewer.
        seed: of the draw. It orders clips by their ids alone, so that a drawn clip stays drawn when others are added or
            removed, unless they come before it.

    Returns:
        Rows of the split table, all of one role, in their order there.

    Raises:
        InputError: there is no test clip.
    """
    for role in (TEST_UNSEEN, TEST_CORPUS, TEST_SEEN):
        rows = split[split["role"] == role]
        if len(rows):
            chosen = sorted(rows["clip"], key=lambda clip: (_digest(clip, seed), clip))[:count]
            return rows[rows["clip"].isin(chosen)].reset_index(drop=True)
    raise InputError(f"split: found no test clips among {len(split)}, expected some to try in adverse conditions")


def _digest(clip: str, seed: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}/{clip}".encode(), digest_size=8).digest(), "big")


class Recordings:
    """Samples of clips at one rate, read from their corpora's archives."""

    def __init__(self, clips: pd.DataFrame, raw_dir: Path, rate_hz: int) -> None:
        """Set the clip table, the folder of `<corpus>.zip`, and the rate in Hz."""
        self.rate_hz = rate_hz
        places = clips[["corpus", "member"]].itertuples(index=False, name=None)
        self._places: dict[str, tuple[str, str]] = dict(zip(clips["clip"], places, strict=True))
        self._archives = {name: Archive(raw_dir / f"{name}.zip") for name in clips["corpus"].unique()}

    def __getitem__(self, clip: str) -> Float32Array:
        """Mono samples of a clip, float32 [n]."""
        corpus, member = self._places[clip]
        recording = read_recording(self._archives[corpus].read(member), name=f"{corpus}/{member}")
        return resample(recording.mono(), recording.rate_hz, self.rate_hz)


class Surroundings:
    """Puts clips into conditions. Every draw depends only on the clip's id, the condition and the seed.

    Attributes:
        made: the conditions by name.
    """

    def __init__(self, section: Robustness, recordings: Recordings, others: pd.DataFrame, *, seed: int) -> None:
        """Read the voices from which babble is made.

        Args:
            section: bit rates.
            recordings: of all clips.
            others: rows of the clip table that may be part of a babble.
            seed: of the draws.
        """
        self.made = conditions(section)
        self._recordings, self._seed = recordings, seed
        names = sorted(zip(others["clip"], others["speaker"], strict=True), key=lambda name: _digest(name[0], seed))
        voices = [(speaker, recordings[clip]) for clip, speaker in names[:_POOL_CLIPS]]
        self._voices = [(speaker, voice) for speaker, voice in voices if rms(voice)]

    def versions(self, clip: str, speaker: str) -> list[Float32Array]:
        """A clip in each condition, float32 [m] at the rate of the recordings.

        The voices of its babble are from other speakers, if there are any.
        """
        samples = self._recordings[clip]
        strangers = [voice for who, voice in self._voices if who != speaker] or [voice for _, voice in self._voices]
        found = []
        for name, condition in self.made.items():
            random = np.random.default_rng([self._seed, _digest(clip, self._seed), _digest(name, self._seed)])
            voices = [strangers[number] for number in random.permutation(len(strangers))[:BABBLE_VOICES]]
            found.append(condition(Heard(samples, self._recordings.rate_hz, random, voices)))
        return found


def predict_conditions(
    section: Robustness,
    *,
    models: Mapping[str, TrainedModel],
    drawn: pd.DataFrame,
    clips: pd.DataFrame,
    raw_dir: Path,
    emotions: Emotions,
    seed: int,
) -> dict[str, Predictions]:
    """Put clips into every condition, and predict them.

    Args:
        section: bit rates, and the number of threads.
        models: networks by name.
        drawn: rows of the split table, see `draw_clips`.
        clips: the good rows of the clip table; those that are not drawn make up the babble.
        raw_dir: folder of `<corpus>.zip`.
        emotions: of the run, the classes of the networks.
        seed: of every draw; draws depend on the clip's id and the condition, not on the order of clips.

    Returns:
        By condition, the probabilities that each network gives the drawn clips.
    """
    front_ends: list[FrontEnd] = []
    for model in models.values():
        if model.front_end not in front_ends:
            front_ends.append(model.front_end)
    # The highest rate, so that no front end loses frequencies that it uses.
    recordings = Recordings(clips, raw_dir, max(front_end.sample_rate_hz for front_end in front_ends))
    others = clips[~clips["clip"].isin(drawn["clip"])]
    surroundings = Surroundings(section, recordings, others, seed=seed)

    def prepare(row: tuple[str, str]) -> list[Float32Array]:
        """Inputs [conditions, ...] of a clip for each front end."""
        versions = surroundings.versions(*row)
        return [np.stack([front_end(each, recordings.rate_hz) for each in versions]) for front_end in front_ends]

    answers: dict[str, list[Float64Array]] = {name: [] for name in models}
    rows = zip(drawn["clip"], drawn["speaker"], strict=True)
    prepared = map_in_threads(prepare, rows, workers=section.workers)
    for inputs in tqdm(prepared, total=len(drawn), desc="robustness", unit="clip", disable=None, mininterval=1):
        for name, model in models.items():
            found = model.logits_of_clips(inputs[front_ends.index(model.front_end)])
            answers[name].append(softmax(found.astype(np.float64)))
    probabilities = {name: np.stack(each) for name, each in answers.items()}  # [clips, conditions, classes]
    table = drawn[list(CLIP_COLUMNS)].reset_index(drop=True)
    return {
        condition: Predictions(table, {name: values[:, number] for name, values in probabilities.items()}, emotions)
        for number, condition in enumerate(surroundings.made)
    }


def judge(
    predicted: Mapping[str, Predictions],
    predictors: Mapping[str, Mapping[str, float]],
    *,
    samples: int,
    seed: int,
) -> RobustnessReport:
    """Compute all figures.

    Args:
        predicted: by condition, the networks' predictions for the same clips of one role.
        predictors: by name, the weight of each network in the predictor's mean.
        samples: bootstrap samples of each interval.
        seed: of the draws.
    """
    clips = predicted[CLEAN].clips
    role = ROLE_NAMES[clips["role"].iloc[0]]
    resampling = Resampling(samples, seed, RESAMPLED_BY[role])
    found: dict[str, dict[str, ConditionScores]] = {}
    units = set()
    for name, weights in predictors.items():
        # One table whose predictors are the conditions, so that changes are paired clip by clip.
        table = Predictions(
            clips,
            {condition: _mean(parts, weights) for condition, parts in predicted.items()},
            predicted[CLEAN].emotions,
        )
        found[name] = {}
        for condition in predicted:
            group, change = score(table, condition, resampling), compare(table, condition, CLEAN, resampling)
            units.add(group.resampled_by)
            found[name][condition] = ConditionScores(
                accuracy=group.accuracy,
                uar=group.uar,
                accuracy_change=change.differences["accuracy"],
                uar_change=change.differences["uar"],
            )
    return RobustnessReport(
        role=role,
        clips=len(clips),
        speakers=int(clips["speaker"].nunique()),
        resampled_by=" or ".join(sorted(units)),
        scores=found,
    )


def _mean(predictions: Predictions, weights: Mapping[str, float]) -> Float64Array:
    """Weighted mean of the networks' probabilities, float64 [n, classes]."""
    parts = [weight * predictions.probabilities[name] for name, weight in weights.items()]
    return np.asarray(np.sum(parts, axis=0), dtype=np.float64)


def figures(report: RobustnessReport) -> dict[str, Any]:
    """Content of metrics/robustness.json: plain numbers, by predictor and condition."""
    return {
        "clips_of": report.role,
        "clips": report.clips,
        "speakers": report.speakers,
        "worst": {
            name: {
                "condition": report.worst(name),
                "uar_change": _number(scores[report.worst(name)].uar_change.value),
            }
            for name, scores in report.scores.items()
        },
        **{
            name: {condition: _figures(found) for condition, found in scores.items()}
            for name, scores in report.scores.items()
        },
    }


def _figures(found: ConditionScores) -> dict[str, Any]:
    values = {name: getattr(found, name) for name in ("accuracy", "uar", "accuracy_change", "uar_change")}
    return {
        key: value
        for name, each in values.items()
        for key, value in (
            (name, _number(each.value)),
            (f"{name}_low", _number(each.low)),
            (f"{name}_high", _number(each.high)),
        )
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), DIGITS)
