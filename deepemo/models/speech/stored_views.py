"""Read the embeddings of perturbed training clips that `deepemo.models.speech.views` wrote."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepemo.arrays import Float32Array
from deepemo.dataset.shards import read_batches, read_features, read_spec
from deepemo.errors import InputError
from deepemo.files import read_json
from deepemo.mapped import mapped

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


def read_views(folder: Path, clips: Sequence[str]) -> Iterator[npt.NDArray[np.float16]]:
    """Embeddings of training clips, one view after the other, as they are stored.

    Args:
        folder: folder that `write_views` wrote.
        clips: ids of training clips, in the order of the embeddings.

    Yields:
        float16 [clips, width], in a file (see `deepemo.mapped`) that ends with its last use.

    Raises:
        InputError: there are no views of one of the clips, or the folder holds none at all; or the disk is full.
    """
    row_of = {clip: row for row, clip in enumerate(clips)}
    if len(row_of) != len(clips):
        raise InputError(f"{folder}: a clip was asked for twice among {len(clips)}")
    for view in range(count_views(folder)):
        yield _read_view(folder / str(view), row_of)


def _read_view(folder: Path, row_of: Mapping[str, int]) -> npt.NDArray[np.float16]:
    view = mapped((len(row_of), read_spec(folder)["shape"][0]), np.float16)
    for names, values in read_features(folder, row_of, batch_size=256):
        view[[row_of[name] for name in names]] = values
    return view


def read_sounds(folder: Path) -> Float32Array | None:
    """Embeddings of the sounds without speech, float32 [n, width]; None if there are none.

    Raises:
        InputError: the folder holds no views.
    """
    if not _described(folder)[SOUNDS]:
        return None
    return np.concatenate([values for _, values in read_batches(folder / SOUNDS, batch_size=256)])


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
