"""The experiments of docs/ablations.yaml, and which of DVC's recorded runs are runs of them."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from deepemo.errors import InputError
from deepemo.yaml12 import read_yaml

PARAMS = "params.yaml"
# What may differ from run to run without changing what is learned from or how; seeds have a column of their own.
FREE = (
    "seed",
    "download.source_dir",
    "download.connections",
    "featurize.workers",
    "cross_corpus",
    "evaluate",
    "gate",
    "eda",
)
# Sections that a stage's training does not read.
UNREAD = {"train_shallow": ("embed", "train_transfer"), "train_transfer": ("train_shallow",), "evaluate": ()}
# What a stage's metrics hold once it has run.
_MEASURED = {"train_shallow": "val_uar", "train_transfer": "val_uar", "evaluate": "ensemble"}
_ABSENT = object()

Overrides = dict[str, Any]


class Experiment(BaseModel):
    """One change: the values it sets in params.yaml by dotted name, and the stage whose metrics judge it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    stage: Literal["train_shallow", "train_transfer", "evaluate"]
    what: str
    set: Overrides


class Ablations(BaseModel):
    """What docs/ablations.yaml holds; `base` is set in every experiment."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    base: Overrides
    experiments: list[Experiment]

    @model_validator(mode="after")
    def _no_name_twice(self) -> "Ablations":
        names = [experiment.name for experiment in self.experiments]
        if len(set(names)) != len(names):
            raise ValueError(f"a name is given twice among {names}")
        return self


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of an experiment that DVC recorded.

    Attributes:
        experiment: its name in docs/ablations.yaml.
        seed: of the run.
        commit: of the code it was run on, shortened.
        metrics: of the experiment's stage: of a training val_uar, val_accuracy, best_epoch and others.
    """

    experiment: str
    seed: int
    commit: str
    metrics: Mapping[str, Any]


def read_ablations(path: Path) -> Ablations:
    """Read the list of experiments.

    Raises:
        InputError: it does not hold what is expected.
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
    """Dotted names of what differs between two params, but for what is `FREE`."""
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


def recorded_runs(shown: str, ablations: Ablations) -> tuple[list[Run], list[str]]:
    """Find runs of the experiments among what `dvc exp show --json` prints.

    A run counts if it has the experiment's name, alone or followed by `-seed` and a number, if its params differ from
    those of the commit it was run on by what the experiment sets and by nothing else that its stage reads, and if the
    stage has metrics.

    Returns:
        The runs, in the order of the list and by seed; and one message for each run that has a name but does not count.
    """
    named = {experiment.name: experiment for experiment in ablations.experiments}
    runs, refused = [], []
    for commit, base, found in _experiments(json.loads(shown)):
        name, _, number = found["name"].partition("-seed")
        experiment = named.get(name)
        if experiment is None or (number and not number.isdigit()):
            continue
        params = _content(found, "params", PARAMS)
        metrics = _content(found, "metrics", f"metrics/{experiment.stage}.json")
        expected = with_overrides(base, {**ablations.base, **experiment.set})
        other = [name for name in differences(params, expected) if name.split(".")[0] not in UNREAD[experiment.stage]]
        if other:
            refused.append(f"{found['name']}: run with other values than docs/ablations.yaml sets of {other}")
        elif _MEASURED[experiment.stage] not in metrics:
            refused.append(f"{found['name']}: has no metrics of {experiment.stage}")
        else:
            runs.append(Run(experiment=name, seed=params["seed"], commit=commit[:7], metrics=metrics))
    order = list(named)
    return sorted(runs, key=lambda run: (order.index(run.experiment), run.seed, run.commit)), refused


def _experiments(revisions: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each experiment: the commit it was run on, that commit's params, and what DVC says of it."""
    for revision in revisions:
        for found in revision["experiments"] or []:
            # Of one that is under way or was broken off, DVC shows the figures of the commit it started from.
            if (found.get("executor") or {}).get("state", "success") != "success":
                continue
            last = (found["revs"] or [None])[0]
            if found["name"] and last:
                yield revision["rev"], _content(revision, "params", PARAMS), {**last, "name": found["name"]}


def _content(revision: Mapping[str, Any], kind: str, file: str) -> dict[str, Any]:
    content: dict[str, Any] = ((revision["data"] or {}).get(kind, {}).get(file) or {}).get("data") or {}
    return content
