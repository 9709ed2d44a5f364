"""Options of a recognition: one type for the library, the command line and the API."""

from dataclasses import dataclass
from enum import StrEnum

from deepemo.errors import InputError

HOP_SECONDS = 1.0
SHORTEST_HOP_SECONDS = 0.1
LONGEST_HOP_SECONDS = 3600.0
MAX_SECONDS = 3600.0
# Largest `max_seconds`; there is a limit because the whole recording is held in memory.
LONGEST_SECONDS = 86_400.0
MOST_CHANNEL = 1023


class Channel(StrEnum):
    """Which channel of a recording is used: the mix of all, or one of them."""

    MIX = "mix"
    LEFT = "left"
    RIGHT = "right"

    @property
    def number(self) -> int | None:
        """Number of the channel, counted from 0; None for the mix."""
        return {Channel.MIX: None, Channel.LEFT: 0, Channel.RIGHT: 1}[self]


class Channels(StrEnum):
    """Which channels of a recording are answered: the mix of all, one of them, or each separately."""

    MIX = "mix"
    LEFT = "left"
    RIGHT = "right"
    EACH = "each"

    @property
    def number(self) -> int | None:
        """Number of the one channel, counted from 0; None for the mix, and for `each`."""
        return None if self is Channels.EACH else Channel(self.value).number


@dataclass(frozen=True, kw_only=True)
class RecognitionOptions:
    """How a recording is read and answered.

    >>> RecognitionOptions(hop_seconds=0)
    Traceback (most recent call last):
    deepemo.errors.InputError: Bad hop_seconds 0, expected 0.1 to 3600

    Attributes:
        timeline: whether a recording longer than a clip gets a timeline.
        hop_seconds: from the start of one window to the start of the next.
        min_confidence: probability in [0, 1] from which an emotion is answered; 0 answers always, None takes the
            threshold that `evaluate` chose.
        max_seconds: longest recording that is read.
        channel: which channel to use, counted from 0; if there are fewer, the last one. None for the mix of all, or for
            the loudest channel if they cancel one another in the mix.

    Raises:
        InputError: a value is out of its range.
    """

    timeline: bool = True
    hop_seconds: float = HOP_SECONDS
    min_confidence: float | None = None
    max_seconds: float = MAX_SECONDS
    channel: int | None = None

    def __post_init__(self) -> None:
        _check("hop_seconds", self.hop_seconds, SHORTEST_HOP_SECONDS, LONGEST_HOP_SECONDS)
        _check("max_seconds", self.max_seconds, 0, LONGEST_SECONDS)
        if self.min_confidence is not None:
            _check("min_confidence", self.min_confidence, 0, 1)
        if self.channel is not None:
            _check("channel", self.channel, 0, MOST_CHANNEL)
        if not self.max_seconds > 0:
            raise InputError(f"Bad max_seconds {self.max_seconds}, expected more than 0")


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise InputError(f"Bad {name} {value}, expected {least:g} to {most:g}")
