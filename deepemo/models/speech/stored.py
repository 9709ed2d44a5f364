"""Read the embeddings of clips, and those that `deepemo.models.speech.views` wrote of perturbed clips and of sounds."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepemo.arrays import Float16Array, Float32Array
from deepemo.dataset.shards import read_batches, read_features, read_spec
from deepemo.errors import InputError
from deepemo.files import read_json
from deepemo.mapped import mapped

_READ_TOGETHER = 256  # clips
VIEWS_FILE = "views.json"
SOUNDS = "sounds"  # folder of the sounds without speech, and key of their number in the file of the views
# Entries of `spec.json` in which the embeddings of clips and of their views must agree.
MADE_BY = ("features", "encoder", "encoder_sha256", "taps", "segments", "segment_width")


def check_views(folder: Path, made_by: Mapping[str, Any]) -> None:
    """Check that views and sounds are embedded in the same way as the clips themselves.

    Args:
        folder: folder that `write_views` wrote.
        made_by: content of the `spec.json` of the clips' embeddings.

    Raises:
        InputError: they were prepared in another way or by another encoder, or the folder holds no views.
    """
    stored = [folder / str(view) for view in range(count_views(folder))]
    if _described(folder)[SOUNDS]:
        stored.append(folder / SOUNDS)
    for part in stored:
        found = read_spec(part)
        if differing := [name for name in MADE_BY if found.get(name) != made_by.get(name)]:
            name = differing[0]
            raise InputError(
                f"{part}: {name}: found {found.get(name)}, expected {made_by.get(name)} as of the clips "
                "themselves; run embed_speech_views again"
            )


def read_embeddings(folder: Path, clips: Sequence[str]) -> Float16Array:
    """Embeddings of some of the clips of a folder of shards.

    Args:
        folder: holds the shards.
        clips: ids, each once.

    Returns:
        float16 [clips, width] in the order of the ids, in a file (see `deepemo.mapped`).

    Raises:
        InputError: some of the clips are in no shard or were asked for twice, or the disk is full.
    """
    row_of = {clip: row for row, clip in enumerate(clips)}
    if len(row_of) != len(clips):
        raise InputError(f"{folder}: a clip was asked for twice among {len(clips)}")
    found = mapped((len(row_of), read_spec(folder)["shape"][0]), np.float16)
    for names, values in read_features(folder, row_of, batch_size=_READ_TOGETHER):
        found[[row_of[name] for name in names]] = values
    return found


def read_views(folder: Path, clips: Sequence[str]) -> Iterator[Float16Array]:
    """Embeddings of perturbed training clips, one view after the other, each as `read_embeddings` gives them.

    Args:
        folder: folder that `write_views` wrote.
        clips: ids of training clips, each once.

    Raises:
        InputError: there are no views of one of the clips, or the folder holds none at all; a clip was asked for twice,
            or the disk is full.
    """
    for view in range(count_views(folder)):
        yield read_embeddings(folder / str(view), clips)


def read_sounds(folder: Path) -> Float32Array | None:
    """Embeddings of the sounds without speech, float32 [n, width]; None if there are none.

    Raises:
        InputError: the folder holds no views.
    """
    if not _described(folder)[SOUNDS]:
        return None
    return np.concatenate([values for _, values in read_batches(folder / SOUNDS, batch_size=_READ_TOGETHER)])


def count_views(folder: Path) -> int:
    """How many views of each training clip there are.

    Raises:
        InputError: the folder holds no views.
    """
    count: int = _described(folder)["views"]
    return count


def _described(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_json(folder / VIEWS_FILE, expected="views of the training clips")
    return content
