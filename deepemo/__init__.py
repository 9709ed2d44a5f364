"""DeepEmo: speech emotion recognition as a reproducible pipeline.

Example:
    In the folder of a finished run, with a recording of digital silence:

    >>> from deepemo import Recognizer
    >>> recognizer = Recognizer.load("models")
    >>> answer = recognizer.recognize("silence.wav")
    >>> answer.answer, answer.explanation
    ('unknown', 'The recording is silent.')
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepemo.serving.recognizer import Recognizer

__all__ = ["Recognizer"]


def __getattr__(name: str) -> Any:
    """Import the recognizer when it is first used, so that stages that do not need it start faster."""
    if name == "Recognizer":
        from deepemo.serving.recognizer import Recognizer

        return Recognizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
