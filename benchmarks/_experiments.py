"""The experiments of docs/ablations.yaml, and their runs among those that DVC recorded."""

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from benchmarks import _heads
from benchmarks._noted import Run
from deepemo.errors import InputError
from deepemo.evaluation.report import UNSEEN_CORPUS
from deepemo.models.registry import ENSEMBLE, predictor_names
from deepemo.reporting.markdown import per_cent
from deepemo.yaml12 import read_yaml

PARAMS = "params.yaml"
# Params that may differ between runs: they change neither the data nor the training. Seeds have their own column.
FREE = (
    "seed",
    "download.source_dir",
    "download.connections",
    "featurize.workers",
    "evaluate",
    "gate",
    "eda",
)
_SPECTROGRAM_SECTIONS = ("featurize", "train_shallow", "embed", "train_transfer")
_SPEECH_SECTIONS = ("embed_speech", "embed_speech_views", "train_speech")
# Sections that do not change a stage's metrics.
UNREAD = {
    "train_shallow": ("embed", "train_transfer", *_SPEECH_SECTIONS, "cross_corpus"),
    "train_transfer": ("train_shallow", *_SPEECH_SECTIONS, "cross_corpus"),
    "train_speech": (*_SPECTROGRAM_SECTIONS, "cross_corpus"),
    "cross_corpus": (),
    "evaluate": ("cross_corpus",),
}
_ABSENT = object()

Overrides = dict[str, Any]
Stage = Literal["train_shallow", "train_transfer", "train_speech", "cross_corpus", "evaluate"]


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


@dataclass(frozen=True)
class Figure:
    """A figure that judges an experiment: one column of its stage's table, or two.

    Attributes:
        key: dotted name in the stage's metrics.
        title: of the column.
        gains: whether another column holds the difference to the first experiment of the stage.
        show: how a value is written; it gets None if a run lacks the figure.
    """

    key: str
    title: str
    gains: bool = False
    show: Callable[[float | None], str] = per_cent


_OF_TRAININGS = (
    Figure("val_uar", "UAR", gains=True),
    Figure("val_accuracy", "accuracy"),
    Figure("best_epoch", "best epoch", show=_whole),
)
# By stage. A run without the first figure has not run the stage; runs of older code may lack others.
FIGURES: dict[Stage, tuple[Figure, ...]] = {
    "train_shallow": _OF_TRAININGS,
    "train_transfer": _OF_TRAININGS,
    "train_speech": (
        Figure("val_uar", "UAR of one network"),
        Figure(_heads.UAR, "UAR of the head", gains=True),
        Figure(_heads.ACCURACY, "accuracy"),
        Figure(_heads.VOICES_KNOWN, "UAR, voices known", gains=True),
    ),
    "cross_corpus": (
        Figure("mean.speech.uar", "UAR of speech", gains=True),
        Figure("mean.ensemble.uar", "UAR of ensemble", gains=True),
        Figure("known_voices.all.uar", "UAR of ensemble, voices known", gains=True),
    ),
    "evaluate": (
        Figure(f"{ENSEMBLE}.{UNSEEN_CORPUS}.clips", "clips", show=_whole),
        *(Figure(f"{name}.{UNSEEN_CORPUS}.uar", f"UAR of {name}") for name in predictor_names()),
    ),
}


class Experiment(BaseModel):
    """One change: the values it sets in params.yaml by dotted name, and the stage whose metrics judge it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    stage: Stage
    what: str
    set: Overrides


class Ablations(BaseModel):
    """Content of docs/ablations.yaml; the values of `base` are set in every experiment of a stage."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    base: dict[Stage, Overrides]
    experiments: list[Experiment]

    @model_validator(mode="after")
    def _no_name_twice(self) -> "Ablations":
        names = [experiment.name for experiment in self.experiments]
        if len(set(names)) != len(names):
            raise ValueError(f"a name is given twice among {names}")
        return self

    def of_stage(self, stage: Stage) -> list[Experiment]:
        """The experiments of a stage; the others are compared with the first."""
        return [experiment for experiment in self.experiments if experiment.stage == stage]

    def base_of(self, experiment: Experiment) -> Overrides:
        """The values that are set in an experiment in addition to its own."""
        return self.base.get(experiment.stage, {})


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A run that DVC recorded.

    Attributes:
        run: the experiment, seed and code.
        stage: of its experiment.
        revision: the commit in which DVC keeps it.
        figures: those of `FIGURES` that are in the metrics of the stage, by dotted name.
    """

    run: Run
    stage: Stage
    revision: str
    figures: Mapping[str, float]


def read_ablations(path: Path) -> Ablations:
    """Read the list of experiments.

    Raises:
        InputError: its content is invalid.
    """
    try:
        return Ablations.model_validate(read_yaml(path))
    except ValidationError as error:
        raise InputError(f"{path}: {error}") from error


def with_overrides(params: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of params with other values.

    Raises:
        InputError: params have no such name.
    """
    changed = deepcopy(dict(params))
    for name, value in overrides.items():
        *parents, last = name.split(".")
        section = changed
        for parent in parents:
            section = section.get(parent, {})
        if last not in section:
            raise InputError(f"{name}: no such parameter")
        section[last] = value
    return changed


def differences(one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the values that differ between two params, without those in `FREE`."""
    found = []
    for key in sorted({*one, *other}):
        name = f"{prefix}{key}"
        mine, theirs = one.get(key, _ABSENT), other.get(key, _ABSENT)
        if name in FREE or mine == theirs:
            continue
        if isinstance(mine, dict) and isinstance(theirs, dict):
            found += differences(mine, theirs, f"{name}.")
        else:
            found.append(name)
    return found


def recorded_runs(shown: str, ablations: Ablations) -> tuple[list[Recorded], list[str]]:
    """Find runs of the experiments among what `dvc exp show --json` prints.

    A run counts if three things hold. It has the experiment's name, alone or followed by `-seed` and a number. Its
    params differ from those of the commit it was run on only by what the experiment sets, in the sections that its
    stage reads. And the stage has metrics.

    Returns:
        The runs, in no order; and a message for each run that has the name of an experiment but does not count.
    """
    named = {experiment.name: experiment for experiment in ablations.experiments}
    runs: list[Recorded] = []
    refused = []
    for commit, base, found in _experiments(json.loads(shown)):
        name, _, number = found["name"].partition("-seed")
        experiment = named.get(name)
        if experiment is None or (number and not number.isdigit()):
            continue
        params = _content(found, "params", PARAMS)
        figures = _figures(_content(found, "metrics", f"metrics/{experiment.stage}.json"), FIGURES[experiment.stage])
        expected = with_overrides(base, {**ablations.base_of(experiment), **experiment.set})
        other = [name for name in differences(params, expected) if name.split(".")[0] not in UNREAD[experiment.stage]]
        if other:
            refused.append(f"{found['name']}: run with other values than docs/ablations.yaml sets of {other}")
        elif FIGURES[experiment.stage][0].key not in figures:
            refused.append(f"{found['name']}: has no metrics of {experiment.stage}")
        else:
            run = Run(name, params["seed"], commit[:7])
            runs.append(Recorded(run=run, stage=experiment.stage, revision=found["rev"], figures=figures))
    return runs, refused


def _figures(metrics: Mapping[str, Any], wanted: tuple[Figure, ...]) -> dict[str, float]:
    """Those of the wanted figures that are in the metrics, by dotted name."""
    found = {}
    for figure in wanted:
        value: Any = metrics
        for part in figure.key.split("."):
            value = value.get(part, {})
        if value != {}:
            found[figure.key] = value
    return found


def _experiments(revisions: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each experiment: the commit it was run on, that commit's params, and what DVC reports on it."""
    for revision in revisions:
        for found in revision["experiments"] or []:
            # For an experiment that is running or was interrupted, DVC shows the figures of the commit it started from.
            if (found.get("executor") or {}).get("state", "success") != "success":
                continue
            last = (found["revs"] or [None])[0]
            if found["name"] and last:
                yield revision["rev"], _content(revision, "params", PARAMS), {**last, "name": found["name"]}


def _content(revision: Mapping[str, Any], kind: str, file: str) -> dict[str, Any]:
    content: dict[str, Any] = ((revision["data"] or {}).get(kind, {}).get(file) or {}).get("data") or {}
    return content
