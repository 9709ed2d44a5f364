"""What is to be said of a recording that was heard all the same: the codes, and the words for them, in one place."""

from typing import NamedTuple

PARTIAL = "partial"
OPPOSITE_POLARITY = "opposite_polarity"
FEWER_CHANNELS = "fewer_channels"

WORDS = {
    PARTIAL: "Only a part of the recording could be read.",
    OPPOSITE_POLARITY: "Its channels cancel one another when they are mixed; one of them was heard.",
    FEWER_CHANNELS: "It has fewer channels than were asked for; the last one was heard.",
}

REMARKS = tuple(WORDS)


class Remark(NamedTuple):
    """One of `REMARKS`, and what was found."""

    name: str
    detail: str

    @property
    def explanation(self) -> str:
        """The remark in words."""
        return WORDS[self.name]
