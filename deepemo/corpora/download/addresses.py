"""Which of several addresses of one file is asked first, learned from the files that came before it."""

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Sequence

_LOG = logging.getLogger(__name__)

# Files in a row that an address did not give and another did: one may be a gap, as many are the address itself.
_TOO_MANY = 3


class Addresses:
    """Remembers, for files that lie at several places under the same name, which place does not give them.

    A place is an address without the file's name. It may be used from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused = Counter[str]()

    def ranked(self, urls: Sequence[str]) -> list[str]:
        """Addresses of one file as given, but those of places that gave none of the last few files at the end."""
        with self._lock:
            return sorted(urls, key=lambda url: self._refused[_place(url)] >= _TOO_MANY)

    def gave(self, url: str, instead_of: Iterable[str]) -> None:
        """Learn that a file came from one of its addresses after others did not give it."""
        with self._lock:
            del self._refused[_place(url)]
            for other in instead_of:
                self._refused[_place(other)] += 1
                if self._refused[_place(other)] == _TOO_MANY:
                    _LOG.warning(
                        "%s gave none of the last %d files that %s has; from now on it is asked last",
                        *(_place(other), _TOO_MANY, _place(url)),
                    )


def _place(url: str) -> str:
    return url.rpartition("/")[0]
