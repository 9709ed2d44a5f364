"""The work on one request: it ends early if nobody waits for it any more, or if it takes too long."""

import threading
import time

from deepemo.arrays import Float64Array
from deepemo.http.problems import ProblemError
from deepemo.serving.batching import Inputs
from deepemo.serving.containment import CancelledError
from deepemo.serving.hearing import Predict


class Work:
    """Work that is checked now and then, and ended by an error if it is no longer wanted or takes too long."""

    def __init__(self, seconds: float) -> None:
        """Limit the work to so many seconds, for all channels of a recording together."""
        self.gone = threading.Event()
        self.submitted = time.perf_counter()
        self._seconds = seconds
        self._until: float | None = None

    def begin(self) -> None:
        """Start the clock: waiting for a thread does not count."""
        self._until = time.monotonic() + self._seconds

    def check(self) -> None:
        """Check that the work is still wanted.

        Raises:
            CancelledError: it is not.
            ProblemError: it takes too long.
        """
        if self.gone.is_set():
            raise CancelledError
        if self._until is not None and time.monotonic() > self._until:
            raise ProblemError("too_much_work", f"expected at most {self._seconds:g} s of work")

    def checking(self, predict: Predict) -> Predict:
        """The function, with a check before each call."""

        def checked(inputs: Inputs) -> Float64Array:
            self.check()
            return predict(inputs)

        return checked
