"""The predictors in adverse conditions: the same clips in all conditions, compared with the clips as recorded."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepemo.arrays import Float32Array, Float64Array
from deepemo.audio.io.decode import read_recording
from deepemo.audio.samples import resample, rms
from deepemo.corpora.archive import Archive, Recordings
from deepemo.dataset.split import TEST_CORPUS, TEST_SEEN, TEST_UNSEEN
from deepemo.emotions import Emotions
from deepemo.errors import InputError
from deepemo.evaluation.calibration import softmax
from deepemo.evaluation.comparison import Difference, compare
from deepemo.evaluation.conditions import BABBLE_VOICES, CLEAN, CleanClip, conditions
from deepemo.evaluation.groups import Estimate, Resampling, score
from deepemo.evaluation.metrics import rounded
from deepemo.evaluation.predictions import CLIP_COLUMNS, Predictions
from deepemo.evaluation.report import RESAMPLED_BY, ROLE_NAMES
from deepemo.models.family import FrontEnd, TrainedModel
from deepemo.parallel import map_clips
from deepemo.params import Robustness
from deepemo.training.seeding import seed_everything

# Number of other clips from which the voices of each clip's babble are drawn.
_POOL_CLIPS = 60
# Clips that a worker of a cluster takes at once: the inputs of one have some megabytes.
_CHUNK = 4


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


def sample_clips(split: pd.DataFrame, count: int, *, seed: int) -> pd.DataFrame:
    """Draw test clips: of speakers never heard; without any, of a corpus never heard; else of heard speakers.

    Args:
        split: the split table.
        count: number of clips to draw; all if there are fewer.
        seed: of the draw. The order of clips depends only on their ids and the seed. So a drawn clip stays drawn when
            others are removed, or when others are added that come after it.

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


@dataclass(frozen=True)
class Surroundings:
    """Puts clips into conditions. Every draw depends only on the clip's id, the condition and the seed.

    Attributes:
        section: bit rates.
        front_ends: make the inputs of the networks.
        rate_hz: of all samples.
        voices: speakers and clips, float32 [n] each, from which babble is made.
        seed: of the draws.
    """

    section: Robustness
    front_ends: Sequence[FrontEnd]
    rate_hz: int
    voices: Sequence[tuple[str, Float32Array]]
    seed: int

    def __call__(self, row: tuple[str, str, Recordings, str]) -> list[Float32Array]:
        """Inputs [conditions, ...] of a clip for each front end.

        Args:
            row: the clip's id, its speaker, an archive and the path inside it.
        """
        clip, speaker, archive, member = row
        versions = self.versions(clip, speaker, _samples(archive, member, self.rate_hz))
        return [np.stack([front_end(each, self.rate_hz) for each in versions]) for front_end in self.front_ends]

    def versions(self, clip: str, speaker: str, samples: Float32Array) -> list[Float32Array]:
        """A clip, float32 [n], in each condition, float32 [m].

        The voices of its babble are from other speakers, if there are any.
        """
        strangers = [voice for who, voice in self.voices if who != speaker] or [voice for _, voice in self.voices]
        found = []
        for name, condition in conditions(self.section).items():
            random = np.random.default_rng([self.seed, _digest(clip, self.seed), _digest(name, self.seed)])
            voices = [strangers[number] for number in random.permutation(len(strangers))[:BABBLE_VOICES]]
            found.append(condition(CleanClip(samples, self.rate_hz, random, voices)))
        return found


def _samples(archive: Recordings, member: str, rate_hz: int) -> Float32Array:
    """Mono samples of a clip at a rate, float32 [n]."""
    recording = read_recording(archive.read(member), name=f"{archive.name}/{member}")
    return resample(recording.mono(), recording.rate_hz, rate_hz)


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
        drawn: rows of the split table, see `sample_clips`.
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
    rate_hz = max(front_end.sample_rate_hz for front_end in front_ends)
    archives = {name: Archive(raw_dir / f"{name}.zip") for name in clips["corpus"].unique()}
    members = dict(zip(clips["clip"], zip(clips["corpus"], clips["member"], strict=True), strict=True))

    def place(clip: str) -> tuple[Archive, str]:
        corpus, member = members[clip]
        return archives[corpus], member

    others = clips[~clips["clip"].isin(drawn["clip"])]
    speakers = sorted(zip(others["clip"], others["speaker"], strict=True), key=lambda name: _digest(name[0], seed))
    voices = [(speaker, _samples(*place(clip), rate_hz)) for clip, speaker in speakers[:_POOL_CLIPS]]
    voices = [(speaker, voice) for speaker, voice in voices if rms(voice)]
    answers: dict[str, list[Float64Array]] = {name: [] for name in models}
    prepared = map_clips(
        Surroundings(section, front_ends, rate_hz, voices, seed),
        ((clip, speaker, *place(clip)) for clip, speaker in zip(drawn["clip"], drawn["speaker"], strict=True)),
        name="robustness",
        total=len(drawn),
        workers=section.workers,
        chunk=_CHUNK,
        start=partial(seed_everything, 0),
        carry=lambda row: (*row[:2], row[2].carried(row[3]), row[3]),
    )
    for inputs in prepared:
        for name, model in models.items():
            found = model.logits_of_clips(inputs[front_ends.index(model.front_end)])
            answers[name].append(softmax(found.astype(np.float64)))
    probabilities = {name: np.stack(each) for name, each in answers.items()}  # [clips, conditions, classes]
    table = drawn[list(CLIP_COLUMNS)].reset_index(drop=True)
    return {
        condition: Predictions(table, {name: values[:, number] for name, values in probabilities.items()}, emotions)
        for number, condition in enumerate(conditions(section))
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
                "uar_change": rounded(scores[report.worst(name)].uar_change.value),
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
            (name, rounded(each.value)),
            (f"{name}_low", rounded(each.low)),
            (f"{name}_high", rounded(each.high)),
        )
    }
