"""DeepEmo: speech emotion recognition as a reproducible pipeline."""

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
