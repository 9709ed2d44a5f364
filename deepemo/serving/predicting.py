"""Many files through a recognizer: answered in their order as soon as they are known, one bad file stopping none."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deepemo.serving.answers import Recognition, unknown
from deepemo.serving.batching import Batcher, one_thread_a_product
from deepemo.serving.reasons import UNDECODABLE
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.sources import Channel

# What is taken for a recording inside a folder; a file that is named itself is always tried.
SUFFIXES = frozenset(
    {".aac", ".aif", ".aifc", ".aiff", ".amr", ".au", ".caf", ".flac", ".m4a", ".mka", ".mkv", ".mov", ".mp3", ".mp4"}
    | {".oga", ".ogg", ".opus", ".rf64", ".w64", ".wav", ".webm", ".3gp"}
)
WORKERS = 4
BATCH_WINDOWS = 64


def find_recordings(given: Iterable[Path]) -> list[Path]:
    """The files given, and in their place for a folder the recordings anywhere in it, by name."""
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            found.extend(sorted(inside))
        else:
            found.append(path)
    return found


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
