import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deepemo.serving.batching import Batcher, ClosedError


def double(features):
    return 2.0 * features.astype(np.float64)


def test_everybody_gets_their_own_answers_back():
    batches = []
    batcher = Batcher(lambda features: time.sleep(0.01) or double(features), batch_windows=8, on_batch=batches.append)
    rng = np.random.default_rng(0)
    asked = [rng.normal(size=(rng.integers(1, 5), 3)).astype(np.float32) for _ in range(60)]
    with ThreadPoolExecutor(12) as pool:
        for features, answers in zip(asked, pool.map(batcher, asked), strict=True):
            np.testing.assert_array_equal(answers, double(features))
    batcher.close()
    assert sum(batches) == sum(map(len, asked))
    assert len(batches) < len(asked), "those who wait together must be answered together"
    assert max(batches) < 8 + 4, "a full batch takes no more callers"


def test_a_lone_caller_does_not_wait_for_others():
    batcher = Batcher(double, batch_windows=64)
    began = time.perf_counter()
    for _ in range(100):
        batcher(np.ones((1, 1), np.float32))
    assert time.perf_counter() - began < 1
    batcher.close()


def test_an_error_reaches_those_who_asked_and_nobody_later():
    broken = threading.Event()
    broken.set()

    def predict(features):
        if broken.is_set():
            raise ValueError("out of order")
        return double(features)

    batcher = Batcher(predict, batch_windows=4)
    with pytest.raises(ValueError, match="out of order"):
        batcher(np.ones((1, 1), np.float32))
    broken.clear()
    assert batcher(np.ones((1, 1), np.float32)) == 2
    batcher.close()


def test_closing_answers_those_who_wait_and_refuses_later_ones():
    began, release = threading.Event(), threading.Event()

    def predict(features):
        began.set()
        release.wait(5)
        return double(features)

    batcher = Batcher(predict, batch_windows=1)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(batcher, np.full((1, 1), number, np.float32)) for number in range(3)]
        assert began.wait(5)
        time.sleep(0.05)
        closing = pool.submit(batcher.close)
        time.sleep(0.05)
        with pytest.raises(ClosedError):
            batcher(np.ones((1, 1), np.float32))
        release.set()
        assert [answer.result(5).item() for answer in waiting] == [0, 2, 4]
        closing.result(5)
