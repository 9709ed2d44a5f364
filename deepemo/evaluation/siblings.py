"""Siblings of a run's own models: the same families, params and seed, trained on other corpora of the run."""

import hashlib
import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import keras
import pandas as pd
import tensorflow as tf

from deepemo.arrays import Float32Array
from deepemo.code import code_digest
from deepemo.dataset.shards import read_features, read_spec
from deepemo.dataset.split import TRAIN, fingerprint_clips
from deepemo.evaluation import leakage
from deepemo.evaluation.predictions import Batches
from deepemo.files import write_text
from deepemo.models.family import ABOUT_FILE, Classifier, ModelFamily, TrainedModel
from deepemo.models.registry import family_names, load_family
from deepemo.models.saved import save_model
from deepemo.parallel import map_in_processes
from deepemo.params import CrossCorpus, Params
from deepemo.threads import AHEAD
from deepemo.training.devices import workers_of_environment
from deepemo.training.seeding import seed_everything

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")

# Written last into the folder of a sibling, so that a restarted run trains only the siblings that are missing.
KEY_FILE = "key.txt"


@dataclass(frozen=True)
class Sibling:
    """A trained sibling and its family."""

    family: ModelFamily
    model: TrainedModel

    def inputs(self, clips: Iterable[str], *, batch_size: int) -> Iterator[tuple[list[str], Float32Array]]:
        """Batches of clips as the whole network takes them: ids, and arrays float32 [n, ...]."""
        return read_features(self.family.shards, clips, batch_size=batch_size)

    def on_cached(self, params: Params, clips: Iterable[str], *, batch_size: int) -> tuple[Classifier, Batches]:
        """The part of the network that learned, and clips as that part takes them.

        Args:
            params: of its training.
            clips: ids.
            batch_size: clips per batch.
        """
        if self.family.cached is None:
            return self.model, self.inputs(clips, batch_size=batch_size)
        folder, part = self.family.cached(params, self.model)
        return part, read_features(folder, clips, batch_size=batch_size)


def for_each(
    work: Callable[[Item], Result], items: Sequence[Item], clips_of: Callable[[Item], int], *, workers: int, seed: int
) -> list[Result]:
    """Results of some work that trains siblings, in the order of the items.

    Each process takes one item at a time, the largest first, so that all end at about the same time. The results are
    those that this process would give. On GPUs, and where several machines train together, this process does all the
    work.

    Args:
        work: picklable; called with each item.
        items: hashable and picklable, such as names of corpora; none twice.
        clips_of: number of clips from which the siblings of an item learn.
        workers: processes of this machine.
        seed: of the run.
    """
    if min(workers, len(items)) < 2 or workers_of_environment()[0] or tf.config.list_physical_devices("GPU"):
        return [work(item) for item in items]
    ordered = sorted(items, key=clips_of, reverse=True)
    processes, start = min(workers, len(items)), partial(seed_everything, seed)
    done = map_in_processes(work, ordered, workers=processes, chunk=1, ahead=AHEAD, start=start)
    results = dict(zip(ordered, done, strict=True))
    return [results[item] for item in items]


def judged_families(section: CrossCorpus) -> list[ModelFamily]:
    """The families that are trained anew: those with cached embeddings, and the others if wanted."""
    families = [load_family(name) for name in family_names()]
    return [family for family in families if family.embed is not None or section.train_on_features]


def train_siblings(params: Params, split: pd.DataFrame, clips: pd.DataFrame, folder: Path) -> dict[str, Sibling]:
    """Train each family on a split, or load what was trained there before.

    Args:
        params: of the training; its emotions are the classes.
        split: the split table.
        clips: the good rows of the clip table.
        folder: for finished models, and for checkpoints of unfinished ones.

    Returns:
        The siblings by the names of their families.
    """
    contents = fingerprint_clips(clips["clip"] + " " + clips["sha256"])["sha256"]
    return {
        family.name: Sibling(family, _sibling(family, params, split, contents, folder / family.name))
        for family in judged_families(params.cross_corpus)
    }


def _sibling(family: ModelFamily, params: Params, split: pd.DataFrame, contents: str, folder: Path) -> TrainedModel:
    """Train a family's network on a split, or load it from the folder if it was trained there before."""
    sections = {name: params.section(name, kind).model_dump(mode="json") for name, kind in family.sections.items()}
    # The shards record what the params do not: the digest of an encoder that the user brought.
    made_by = read_spec(family.shards)
    parts = json.dumps(
        [
            code_digest(),
            family.name,
            sections,
            made_by,
            params.emotions,
            params.seed,
            contents,
            split.to_csv(index=False),
        ],
        sort_keys=True,
    )
    key, done = hashlib.sha256(parts.encode()).hexdigest(), folder / KEY_FILE
    if not done.is_file() or done.read_text(encoding="utf-8") != key:
        # Each training starts from the same state, so that a restarted run ends with the same models as an
        # uninterrupted one.
        keras.utils.clear_session()
        seed_everything(params.seed)
        trained = family.train(params, split, folder / "checkpoints")
        trained_on = fingerprint_clips(split.loc[split["role"] == TRAIN, "clip"])
        save_model(
            folder,
            trained,
            kind=family.name,
            emotions=params.emotions,
            trained_on=trained_on,
            seed=params.seed,
        )
        write_text(done, key)
    model = family.load(folder)
    leakage.check_fitted_on(model.about.get("trained_on"), split, TRAIN, source=str(folder / ABOUT_FILE))
    return model
