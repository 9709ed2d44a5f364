"""Batches across callers: one thread runs the model, on all inputs that arrived while it was busy."""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress

import numpy as np

from deepemo.arrays import Float32Array, Float64Array

# Arrays of clips, one for each distinct front end of a predictor: float32 [n, ...] each, or [...] for a single clip.
Inputs = tuple[Float32Array, ...]
_Asked = tuple[Inputs, Future[Float64Array]]


def stack(clips: Sequence[Inputs]) -> Inputs:
    """Inputs of single clips as those of a batch.

    >>> batch = stack([(np.zeros(3, np.float32),), (np.ones(3, np.float32),)])
    >>> [array.shape for array in batch]
    [(2, 3)]
    """
    return tuple(np.stack(arrays) for arrays in zip(*clips, strict=True))


def _join(batches: Sequence[Inputs]) -> Inputs:
    return tuple(np.concatenate(arrays) for arrays in zip(*batches, strict=True))


class Batcher:
    """Calls a function from inputs [n, ...] to answers [n, ...] for many threads, one batch at a time.

    It never waits for a batch to fill: a single caller is answered at once, and under load the batches grow, because
    callers queue up while the previous batch runs.
    """

    def __init__(
        self,
        predict: Callable[[Inputs], Float64Array],
        *,
        batch_windows: int,
        on_batch: Callable[[int], None] = lambda windows: None,
    ) -> None:
        """Start the thread.

        Args:
            predict: called from that thread alone.
            batch_windows: number of rows at which a batch is full.
            on_batch: called with the number of rows of each batch.
        """
        self._predict = predict
        self._batch_windows = batch_windows
        self._on_batch = on_batch
        self._waiting: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open = True
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def __call__(self, inputs: Inputs) -> Float64Array:
        """Answers [n, ...] to inputs [n, ...]; blocks until they are there.

        Raises:
            RuntimeError: `close` was called before, or the thread has died.
        """
        answer: Future[Float64Array] = Future()
        with self._lock:
            if not self._open:
                raise RuntimeError("the batcher is closed")
            self._waiting.put((inputs, answer))
        return answer.result()

    @property
    def is_alive(self) -> bool:
        """Whether it answers: it was not closed, and nothing ended the thread."""
        return self._open

    def close(self) -> None:
        """Answer the waiting callers, then end the thread."""
        self._shut()
        self._thread.join()

    def _shut(self) -> None:
        with self._lock:
            if self._open:
                self._open = False
                self._waiting.put(None)

    def _run(self) -> None:
        try:
            while (first := self._waiting.get()) is not None and self._answer(self._gather(first)):
                pass
        finally:
            # Whatever ended the thread, no caller waits for ever.
            self._shut()
            with suppress(queue.Empty):
                while True:
                    if (left := self._waiting.get_nowait()) is not None:
                        left[1].set_exception(RuntimeError("the batcher has ended"))

    def _gather(self, first: _Asked) -> list[_Asked | None]:
        """The waiting requests, up to a full batch; None at the end if the batcher was closed."""
        batch: list[_Asked | None] = [first]
        rows = len(first[0][0])
        while rows < self._batch_windows:
            try:
                further = self._waiting.get_nowait()
            except queue.Empty:
                break
            batch.append(further)
            if further is None:
                break
            rows += len(further[0][0])
        return batch

    def _answer(self, asked: list[_Asked | None]) -> bool:
        """Answer a batch; False if it was the last one."""
        batch = [one for one in asked if one is not None]
        rows = [len(inputs[0]) for inputs, _ in batch]
        try:
            self._on_batch(sum(rows))
            answers = self._predict(_join([inputs for inputs, _ in batch]))
            if len(answers) != sum(rows):
                raise ValueError(f"the model gave {len(answers)} answers to {sum(rows)} inputs")
            parts = np.split(answers, np.cumsum(rows)[:-1])
        except Exception as error:  # the callers handle it; this thread must go on
            for _, answer in batch:
                answer.set_exception(error)
        except BaseException:
            # Close before the callers get the error, so that later callers get it too.
            self._shut()
            for _, answer in batch:
                answer.set_exception(RuntimeError("the batcher has ended"))
            raise
        else:
            for (_, answer), part in zip(batch, parts, strict=True):
                answer.set_result(part)
        return len(batch) == len(asked)
