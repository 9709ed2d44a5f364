"""The seven emotions: their names and their order, the same everywhere; and some of them, which a run tells apart."""

from collections.abc import Sequence

from deepemo.errors import InputError

EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
# With one emotion alone there is nothing to tell apart.
MIN_EMOTIONS = 2
_EXPECTED = f"expected {MIN_EMOTIONS} or more of {list(EMOTIONS)}"

# Some of the seven in their order, which is that of the outputs of a run's networks.
Emotions = tuple[str, ...]

_NUMBERS = ("two", "three", "four", "five", "six", "seven")


def in_order(names: Sequence[str]) -> Emotions:
    """Some of the seven, named in any order, in theirs.

    >>> in_order(["sad", "angry"])
    ('angry', 'sad')

    Raises:
        ValueError: one is none of the seven, one is named twice, or they are fewer than two.
    """
    unknown = [name for name in names if name not in EMOTIONS]
    if unknown:
        raise ValueError(f"{unknown} are none of the seven, {_EXPECTED}")
    if len(set(names)) < len(names):
        raise ValueError(f"one is named twice, {_EXPECTED}")
    if len(names) < MIN_EMOTIONS:
        raise ValueError(_EXPECTED)
    return tuple(emotion for emotion in EMOTIONS if emotion in names)


def how_many(emotions: Sequence[str]) -> str:
    """The number of some emotions, at least two, in words.

    >>> how_many(EMOTIONS)
    'seven'
    """
    return _NUMBERS[len(emotions) - MIN_EMOTIONS]


def recorded_emotions(found: object, *, source: str) -> Emotions:
    """The emotions that a file records, which must be some of the seven in their order.

    Args:
        found: what it records.
        source: the file, for the error.

    Raises:
        InputError: they are not.
    """
    emotions = tuple(emotion for emotion in EMOTIONS if isinstance(found, list) and emotion in found)
    if list(emotions) != found or len(emotions) < MIN_EMOTIONS:
        raise InputError(f"{source}: emotions: found {found}, {_EXPECTED}, in this order")
    return emotions


def check_emotions(found: Sequence[str], expected: Emotions, *, source: str, whose: str) -> None:
    """Check that what was made with some emotions is used with the same ones.

    Args:
        found: those it was made with.
        expected: those it is used with.
        source: the file that records the first, for the error.
        whose: what names the second, for the error.

    Raises:
        InputError: they are others.
    """
    if tuple(found) != expected:
        raise InputError(f"{source}: emotions: found {list(found)}, expected {list(expected)}, those of {whose}")
