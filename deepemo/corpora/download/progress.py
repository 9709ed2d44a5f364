"""A progress bar in bytes that several threads feed: rate, remaining time, files done."""

import threading
from types import TracebackType
from typing import Self

from tqdm import tqdm


class Progress:
    """Bytes and files of one corpus as they come; it draws nothing where stderr is no terminal.

    Args:
        label: what is being fetched.
        total_bytes: of all files, as far as known.
        total_files: how many there are.
    """

    def __init__(self, label: str, *, total_bytes: int, total_files: int = 1) -> None:
        self._lock = threading.Lock()
        self._files = 0
        self._total_files = total_files
        self._bar = tqdm(total=total_bytes, desc=label, unit="B", unit_scale=True, disable=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def advance(self, size_bytes: int) -> None:
        """Count bytes that came, or (negative) that were thrown away."""
        with self._lock:
            self._bar.update(size_bytes)

    def held(self, size_bytes: int) -> None:
        """Count bytes that were there already, leaving them out of the rate."""
        if self._bar.disable:
            return
        with self._lock:
            self._bar.initial += size_bytes
            self._bar.n += size_bytes
            self._bar.refresh()

    def file_done(self) -> None:
        """Count a finished file."""
        with self._lock:
            self._files += 1
            if self._total_files > 1:
                self._bar.set_postfix_str(f"{self._files:,} of {self._total_files:,} files", refresh=False)
