"""Error rates of the voice gate of a finished run on any recordings, with its second opinion and without.

Each folder holds recordings in subfolders, one for each kind. Recordings that are too short, too long or silent, or
that cannot be read, are counted separately, because the gate is not asked about them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from deepemo.errors import InputError
from deepemo.files import MODELS
from deepemo.recordings import find_recordings
from deepemo.reporting.markdown import table
from deepemo.serving.hearing import NOT_SPEECH
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.results import Reason, Recognition
from deepemo.threads import one_thread_a_product
from deepemo.vad.error_rates import wilson_interval

SPEECH, SOUNDS = "speech", "other sounds"
NOT_ASKED = (Reason.TOO_SHORT, Reason.SILENT, Reason.UNDECODABLE, Reason.TOO_LONG)


def verdict(answer: Recognition) -> tuple[bool, bool] | None:
    """Whether the first opinion takes a recording for a voice, and whether both do; None if the gate was not asked."""
    if answer.reason in NOT_ASKED:
        return None
    if answer.reason is Reason.NO_VOICE:
        return answer.detail == NOT_SPEECH, False
    return True, True


def verdicts(recognizer: Recognizer, folder: Path) -> Iterator[tuple[str, tuple[bool, bool] | None]]:
    """The kind of each recording of a folder, and its verdict.

    Raises:
        InputError: the folder holds no recordings.
    """
    unreadable: list[OSError] = []
    files = sorted(find_recordings(folder, unreadable.append))
    if unreadable or not files:
        raise InputError(f"{folder}: found {unreadable or 'no recordings'}, expected folders of recordings")
    for path in files:
        yield path.relative_to(folder).parts[0], verdict(recognizer.recognize(path, min_confidence=0.0, timeline=False))


def rows(what: str, found: Iterable[tuple[str, tuple[bool, bool] | None]]) -> Iterator[tuple[str, ...]]:
    """A row of the table for each kind, and one for all: wrong decisions of the first opinion, and of both.

    Args:
        what: `SPEECH` or `SOUNDS`.
        found: kinds and verdicts.
    """
    counts: dict[str, Counter[str]] = {}
    for kind, judged in found:
        for name in (kind, "all"):
            count = counts.setdefault(name, Counter())
            if judged is None:
                count["not asked"] += 1
            else:
                first, both = judged
                wrong = (not first, not both) if what == SPEECH else (first, both)
                count.update(asked=1, first=wrong[0], both=wrong[1])
    for name in sorted(counts, key=lambda kind: kind == "all"):
        count = counts[name]
        yield (
            what,
            name.replace("_", " "),
            str(count["asked"]),
            str(count["not asked"]),
            *(_share(count[key], count["asked"]) for key in ("first", "both")),
        )


def _share(wrong: int, asked: int) -> str:
    if not asked:
        return "-"
    low, high = wilson_interval(wrong, asked)
    return f"{100 * wrong / asked:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def main(
    speech: Annotated[Path | None, typer.Option(help="Recordings of speech, a folder for each kind.")] = None,
    sounds: Annotated[Path | None, typer.Option(help="Recordings without speech, a folder for each kind.")] = None,
    models: Annotated[Path, typer.Option(help="Folder of models of a finished run.")] = MODELS,
) -> None:
    """Print how often speech is rejected and other sounds are accepted."""
    recognizer = Recognizer.load(models)
    lines: list[tuple[str, ...]] = []
    with one_thread_a_product():
        for what, folder in ((SPEECH, speech), (SOUNDS, sounds)):
            if folder is not None:
                lines += rows(what, verdicts(recognizer, folder))
    print(table(("", "kind", "recordings", "not asked", "wrong by the first opinion", "wrong by both"), lines))


if __name__ == "__main__":
    typer.run(main)
