import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deepemo.serving.batching import Batcher


def double(inputs):
    (features,) = inputs
    return 2.0 * features.astype(np.float64)


def test_everybody_gets_their_own_answers_back():
    batches = []
    batcher = Batcher(lambda inputs: time.sleep(0.01) or double(inputs), batch_windows=8, on_batch=batches.append)
    rng = np.random.default_rng(0)
    asked = [(rng.normal(size=(rng.integers(1, 5), 3)).astype(np.float32),) for _ in range(60)]
    with ThreadPoolExecutor(12) as pool:
        for inputs, answers in zip(asked, pool.map(batcher, asked), strict=True):
            np.testing.assert_array_equal(answers, double(inputs))
    batcher.close()
    assert sum(batches) == sum(len(features) for (features,) in asked)
    assert len(batches) < len(asked), "those who wait together must be answered together"
    assert max(batches) < 8 + 4, "a full batch takes no more callers"


def test_inputs_of_several_front_ends_stay_together():
    batcher = Batcher(lambda inputs: inputs[0][:, :1] + inputs[1].sum(axis=(1, 2))[:, None], batch_windows=8)
    rng = np.random.default_rng(1)
    asked = [(rng.normal(size=(rows, 3)), rng.normal(size=(rows, 2, 2))) for rows in (1, 3, 2) * 5]
    with ThreadPoolExecutor(5) as pool:
        for (first, second), answers in zip(asked, pool.map(batcher, asked), strict=True):
            np.testing.assert_allclose(answers[:, 0], first[:, 0] + second.sum(axis=(1, 2)))
    batcher.close()


def test_a_lone_caller_does_not_wait_for_others():
    batcher = Batcher(double, batch_windows=64)
    began = time.perf_counter()
    for _ in range(100):
        batcher((np.ones((1, 1), np.float32),))
    assert time.perf_counter() - began < 1
    batcher.close()


def test_an_error_reaches_those_who_asked_and_nobody_later():
    broken = threading.Event()
    broken.set()

    def predict(inputs):
        if broken.is_set():
            raise ValueError("out of order")
        return double(inputs)

    batcher = Batcher(predict, batch_windows=4)
    with pytest.raises(ValueError, match="out of order"):
        batcher((np.ones((1, 1), np.float32),))
    broken.clear()
    assert batcher((np.ones((1, 1), np.float32),)) == 2
    batcher.close()


def test_closing_answers_those_who_wait_and_refuses_later_ones():
    began, release = threading.Event(), threading.Event()

    def predict(inputs):
        began.set()
        release.wait(5)
        return double(inputs)

    batcher = Batcher(predict, batch_windows=1)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(batcher, (np.full((1, 1), number, np.float32),)) for number in range(3)]
        assert began.wait(5)
        time.sleep(0.05)
        closing = pool.submit(batcher.close)
        time.sleep(0.05)
        with pytest.raises(RuntimeError, match="the batcher is closed"):
            batcher((np.ones((1, 1), np.float32),))
        release.set()
        assert [answer.result(5).item() for answer in waiting] == [0, 2, 4]
        closing.result(5)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whoever_is_told_that_the_thread_has_ended_finds_it_ended():
    def die(inputs):
        raise SystemExit("the thread ends")

    for _ in range(300):
        batcher = Batcher(die, batch_windows=4)
        assert batcher.is_alive
        with pytest.raises(RuntimeError, match="the batcher has ended"):
            batcher((np.zeros((1, 2), np.float32),))
        assert not batcher.is_alive
        batcher.close()
