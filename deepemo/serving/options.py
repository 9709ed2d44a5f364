"""Options of a recognition: one type for the library, the command line and the API."""

import math
from dataclasses import dataclass
from enum import StrEnum

from deepemo.errors import InputError

HOP_SECONDS = 1.0
SHORTEST_HOP_SECONDS = 0.1
MAX_SECONDS = 3600.0


class Channel(StrEnum):
    """What of a recording is used: the mix of its channels, or one of them."""

    MIX = "mix"
    LEFT = "left"
    RIGHT = "right"

    @property
    def number(self) -> int | None:
        """Of the channel, the first being 0; None for the mix."""
        return {Channel.MIX: None, Channel.LEFT: 0, Channel.RIGHT: 1}[self]


@dataclass(frozen=True, kw_only=True)
class RecognitionOptions:
    """How a recording is read and answered.

    >>> RecognitionOptions(hop_seconds=0)
    Traceback (most recent call last):
    deepemo.errors.InputError: Bad hop_seconds 0, expected at least 0.1

    Attributes:
        timeline: whether a recording longer than a clip gets a timeline.
        hop_seconds: from the start of one window to the start of the next.
        min_confidence: probability in [0, 1] from which an emotion is answered; 0 for always, None for what `evaluate`
            chose.
        max_seconds: longest recording that is read.
        channel: which channel to use, the first being 0; the last one of a recording that has fewer. None for the mix
            of all, or for the loudest channel if they cancel one another in the mix.

    Raises:
        InputError: a value is out of its range.
    """

    timeline: bool = True
    hop_seconds: float = HOP_SECONDS
    min_confidence: float | None = None
    max_seconds: float = MAX_SECONDS
    channel: int | None = None

    def __post_init__(self) -> None:
        if not SHORTEST_HOP_SECONDS <= self.hop_seconds < math.inf:
            raise InputError(f"Bad hop_seconds {self.hop_seconds}, expected at least {SHORTEST_HOP_SECONDS}")
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise InputError(f"Bad min_confidence {self.min_confidence}, expected 0 to 1")
        if not 0 < self.max_seconds < math.inf:
            raise InputError(f"Bad max_seconds {self.max_seconds}, expected more than 0")
        if self.channel is not None and self.channel < 0:
            raise InputError(f"Bad channel {self.channel}, expected 0 or more")
