"""The seven emotions, with the same names and order everywhere, and subsets of them that a run tells apart."""

from collections.abc import Sequence

from deepemo.errors import InputError

EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
# With only one emotion there is nothing to tell apart.
MIN_EMOTIONS = 2
_EXPECTED = f"expected {MIN_EMOTIONS} or more of {list(EMOTIONS)}"

# Some of the seven in their order, which is the order of the networks' outputs.
Emotions = tuple[str, ...]

_NUMBERS = ("two", "three", "four", "five", "six", "seven")


def in_order(names: Sequence[str]) -> Emotions:
    """Sort some of the seven emotions into their order.

    >>> in_order(["sad", "angry"])
    ('angry', 'sad')

    Raises:
        ValueError: a name is not one of the seven, a name occurs twice, or there are fewer than two.
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
    """The number of emotions, at least two, as a word.

    >>> how_many(EMOTIONS)
    'seven'
    """
    return _NUMBERS[len(emotions) - MIN_EMOTIONS]


def recorded_emotions(found: object, *, source: str) -> Emotions:
    """Check the emotions that a file records: they must be some of the seven, in their order.

    Args:
        found: the recorded value.
        source: the file, for the error.

    Raises:
        InputError: they are not.
    """
    emotions = tuple(emotion for emotion in EMOTIONS if isinstance(found, list) and emotion in found)
    if list(emotions) != found or len(emotions) < MIN_EMOTIONS:
        raise InputError(f"{source}: emotions: found {found}, {_EXPECTED}, in this order")
    return emotions


def check_emotions(found: Sequence[str], expected: Emotions, *, source: str, whose: str) -> None:
    """Check that something made with some emotions is used with the same emotions.

    Args:
        found: the emotions it was made with.
        expected: the emotions it is used with.
        source: the file that records `found`, for the error.
        whose: what names `expected`, for the error.

    Raises:
        InputError: they are others.
    """
    if tuple(found) != expected:
        raise InputError(f"{source}: emotions: found {list(found)}, expected {list(expected)}, those of {whose}")
