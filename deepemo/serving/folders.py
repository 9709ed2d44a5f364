"""Recognize many files: answers come in the order of the files, and a bad file does not stop the others."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from deepemo.errors import DecodeError
from deepemo.recordings import POINTER_ADVICE, find_recordings, is_pointer_file
from deepemo.serving.batching import Batcher
from deepemo.serving.hearing import Heard
from deepemo.serving.options import RecognitionOptions
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.results import Reason, Recognition, VoiceUse, unknown
from deepemo.serving.voice import VoiceReference
from deepemo.threads import map_in_threads, one_thread_a_product

# Stands for a file that comes through a pipe.
STANDARD_INPUT = Path("-")
WORKERS = 4
# Files that are being decoded or waiting, for each worker.
AHEAD = 2
BATCH_WINDOWS = 64


def list_files(given: Iterable[Path]) -> list[Path]:
    """The given files, whatever their names; in place of a folder, the recordings in it and below it, by name.

    A folder that cannot be listed stays in the list, so that opening it reports the error.
    """
    # Path.is_dir raises if a parent folder may not be entered.
    return [each for path in given for each in (_inside(path) if os.path.isdir(path) else [path])]  # noqa: PTH112


def _inside(folder: Path) -> list[Path]:
    unlisted: list[Path] = []
    found = list(find_recordings(folder, lambda error: unlisted.append(Path(error.filename))))
    return sorted(found + unlisted)


def recognize_all(
    recognizer: Recognizer,
    paths: Iterable[Path],
    options: RecognitionOptions,
    *,
    each_channel: bool = False,
    voice: VoiceReference | None = None,
) -> Iterator[tuple[Path, list[Recognition]]]:
    """Recognize files in a few threads that share batches of windows.

    Args:
        recognizer: to use.
        paths: of the files; only a few are open or decoded at a time. `-` stands for standard input.
        options: for each file.
        each_channel: answer each channel of a file; `channel` of the options is not used then.
        voice: reference of the voice in all of them.

    Yields:
        Each path with its answers, in the order given: one answer, or one for each channel. A file that cannot be
        opened is answered `undecodable`.
    """

    def recognize(path: Path) -> tuple[Path, list[Recognition]]:
        try:
            source = _source(path)
            if each_channel:
                return path, batched.recognize_each(source, options=options, voice=voice)
            return path, [batched.recognize_with(options, source, voice=voice)]
        except (OSError, DecodeError) as error:
            return path, [_undecodable(recognizer, path, error)]

    with _batched(recognizer) as batched:
        yield from map_in_threads(recognize, paths, workers=WORKERS, ahead=AHEAD)


def by_folder(paths: Iterable[Path]) -> list[list[Path]]:
    """Files grouped by their folder; folders are in the order of their first file."""
    groups: dict[Path, list[Path]] = {}
    for path in paths:
        groups.setdefault(path.parent, []).append(path)
    return list(groups.values())


def recognize_voices(
    recognizer: Recognizer, voices: Iterable[Sequence[Path]], options: RecognitionOptions
) -> Iterator[tuple[Path, list[Recognition]]]:
    """Recognize files, each compared with the others of its speaker; see `Recognizer.recognize_voice`.

    Args:
        recognizer: to use.
        voices: paths of the files of each speaker; all of a speaker are processed before the first is answered.
        options: for each file.

    Yields:
        Each path with its one answer, in the order given.
    """

    def hear(path: Path) -> Heard | Recognition | None:
        try:
            return batched.hear_voice(_source(path), options)
        except (OSError, DecodeError) as error:
            return _undecodable(recognizer, path, error)

    def recognize(asked: tuple[Path, Recognition | VoiceUse]) -> tuple[Path, list[Recognition]]:
        path, found = asked
        try:
            return path, [found if isinstance(found, Recognition) else batched.recognize_alone(path, options, found)]
        except OSError as error:
            return path, [_undecodable(recognizer, path, error)]

    with _batched(recognizer) as batched:
        for paths in voices:
            heard = list(map_in_threads(hear, paths, workers=WORKERS, ahead=AHEAD))
            found = zip(paths, batched.answer_together(heard, options), strict=True)
            yield from map_in_threads(recognize, found, workers=WORKERS, ahead=AHEAD)


@contextmanager
def _batched(recognizer: Recognizer) -> Iterator[Recognizer]:
    """The recognizer with batches that several threads share."""
    one_thread_a_product()
    with ExitStack() as stack:
        predict = stack.enter_context(closing(Batcher(recognizer.model.probabilities, batch_windows=BATCH_WINDOWS)))
        hear = None
        if recognizer.voice is not None:
            hear = stack.enter_context(closing(Batcher(recognizer.voice.hear, batch_windows=BATCH_WINDOWS)))
        yield recognizer.with_predict(predict, hear)


def _source(path: Path) -> Path | bytes:
    if path == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    if is_pointer_file(path):
        raise DecodeError(f"{path}: a Git LFS pointer, not a recording. {POINTER_ADVICE}")
    return path


def _undecodable(recognizer: Recognizer, path: Path, error: OSError | DecodeError) -> Recognition:
    detail = f"{path}: {error.strerror or error}" if isinstance(error, OSError) else str(error)
    return unknown(Reason.UNDECODABLE, model=recognizer.model.name, detail=detail)
