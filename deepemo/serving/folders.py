"""Many files through a recognizer: answered in their order as soon as possible; a bad file does not stop the others."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from deepemo.recordings import POINTER_ADVICE, find_recordings, is_pointer_file
from deepemo.serving.batching import Batcher, one_thread_a_product
from deepemo.serving.options import RecognitionOptions
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.results import Reason, Recognition, unknown
from deepemo.threads import map_in_threads

# Stands for a file that comes through a pipe.
STANDARD_INPUT = Path("-")
WORKERS = 4
# Files that are decoded or wait at once, for each worker.
AHEAD = 2
BATCH_WINDOWS = 64


def list_files(given: Iterable[Path]) -> list[Path]:
    """The files given, whatever they are called, and in place of each folder the recordings anywhere in it, by name.

    A folder that cannot be listed stays in the list: opening it says what is wrong.
    """
    # Path.is_dir raises where a folder above may not be entered.
    return [each for path in given for each in (_inside(path) if os.path.isdir(path) else [path])]  # noqa: PTH112


def _inside(folder: Path) -> list[Path]:
    unlisted: list[Path] = []
    found = list(find_recordings(folder, lambda error: unlisted.append(Path(error.filename))))
    return sorted(found + unlisted)


def recognize_all(
    recognizer: Recognizer, paths: Iterable[Path], options: RecognitionOptions, *, each_channel: bool = False
) -> Iterator[tuple[Path, list[Recognition]]]:
    """Recognize files in a few threads that share batches of windows.

    Args:
        recognizer: to use.
        paths: of the files; only a few are open or decoded at a time. `-` stands for standard input.
        options: for each file.
        each_channel: answer each channel of a file; `channel` of the options is not used then.

    Yields:
        Each path with its answers, in the order given: one answer, or one for each channel. A file that cannot be
        opened is answered `undecodable`.
    """
    one_thread_a_product()
    batcher = Batcher(recognizer.model.probabilities, batch_windows=BATCH_WINDOWS)
    batched = recognizer.with_predict(batcher)

    def recognize(path: Path) -> tuple[Path, list[Recognition]]:
        try:
            if path != STANDARD_INPUT and is_pointer_file(path):
                return path, _undecodable(recognizer, f"{path}: a Git LFS pointer, not a recording. {POINTER_ADVICE}")
            source = sys.stdin.buffer.read() if path == STANDARD_INPUT else path
            if each_channel:
                return path, batched.recognize_each(source, options=options)
            return path, [batched.recognize_with(options, source)]
        except OSError as error:
            return path, _undecodable(recognizer, f"{path}: {error.strerror or error}")

    with closing(batcher):
        yield from map_in_threads(recognize, paths, workers=WORKERS, ahead=AHEAD)


def _undecodable(recognizer: Recognizer, detail: str) -> list[Recognition]:
    return [unknown(Reason.UNDECODABLE, model=recognizer.model.name, detail=detail)]
