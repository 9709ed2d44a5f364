"""Many files through a recognizer: answered in their order as soon as they are known, one bad file stopping none."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deepemo.recordings import POINTER_ADVICE, find_recordings, is_pointer_file
from deepemo.serving.batching import Batcher, one_thread_a_product
from deepemo.serving.reasons import UNDECODABLE
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.results import Recognition, unknown
from deepemo.serving.sources import Channel

WORKERS = 4
BATCH_WINDOWS = 64


def list_files(given: Iterable[Path]) -> list[Path]:
    """The files given, whatever they are called, and in place of a folder the recordings anywhere in it, by name.

    A folder that cannot be listed stands for itself: opening it says what is wrong.
    """
    # Path.is_dir raises where a folder above may not be entered.
    return [each for path in given for each in (_inside(path) if os.path.isdir(path) else [path])]  # noqa: PTH112


def _inside(folder: Path) -> list[Path]:
    unlisted: list[Path] = []
    found = list(find_recordings(folder, lambda error: unlisted.append(Path(error.filename))))
    return sorted(found + unlisted)


def recognize_all(
    recognizer: Recognizer,
    paths: Iterable[Path],
    *,
    timeline: bool,
    hop_seconds: float,
    min_confidence: float | None,
    max_seconds: float,
    channel: Channel | None = Channel.MIX,
) -> Iterator[tuple[Path, list[Recognition]]]:
    """Recognize files in a few threads, whose windows go through the model together.

    Args:
        recognizer: what answers.
        paths: of the files; few are open or decoded at a time, however many there are.
        timeline: as for `Recognizer.recognize`.
        hop_seconds: likewise.
        min_confidence: likewise.
        max_seconds: likewise.
        channel: what to hear; None for each channel by itself.

    Yields:
        Each path with its answers, one unless each channel is heard, in the order given; `undecodable` for a file that
        cannot be opened.
    """
    one_thread_a_product()
    batcher = Batcher(recognizer.model.probabilities, batch_windows=BATCH_WINDOWS)
    batched = recognizer.with_predict(batcher)

    def work(path: Path) -> list[Recognition]:
        options: dict[str, Any] = {
            "timeline": timeline,
            "hop_seconds": hop_seconds,
            "min_confidence": min_confidence,
            "max_seconds": max_seconds,
        }
        try:
            if is_pointer_file(path):
                detail = f"{path}: a Git LFS pointer, not a recording. {POINTER_ADVICE}"
                return [unknown(UNDECODABLE, model=recognizer.model.name, detail=detail)]
            if channel is None:
                return batched.recognize_each(path, **options)
            return [batched.recognize(path, channel=channel.number, **options)]
        except OSError as error:
            return [unknown(UNDECODABLE, model=recognizer.model.name, detail=f"{path}: {error.strerror or error}")]

    pending: deque[tuple[Path, Future[list[Recognition]]]] = deque()
    with ThreadPoolExecutor(WORKERS) as threads:
        try:
            for path in paths:
                pending.append((path, threads.submit(work, path)))
                if len(pending) >= 2 * WORKERS:
                    first, answer = pending.popleft()
                    yield first, answer.result()
            while pending:
                first, answer = pending.popleft()
                yield first, answer.result()
        finally:
            for _, answer in pending:
                answer.cancel()
    batcher.close()
