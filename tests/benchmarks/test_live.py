"""The benchmark sends streams at the speed of speech and counts every answer."""

import os

import numpy as np
import pytest

from benchmarks._streaming import PCM, RATE_HZ, SOUNDS, WEBM, as_webm, talk
from benchmarks.live import Server, hops_of, measure, report
from deepemo.audio.io.decode import read_mono


def test_what_is_said_is_speech_with_pauses() -> None:
    samples = talk(12, seed=1)
    assert samples.shape == (12 * RATE_HZ,)
    assert np.array_equal(samples, talk(12, seed=1))
    blocks = np.abs(samples.astype(np.float32)).reshape(-1, RATE_HZ // 10).max(axis=1)
    assert 0.05 < np.mean(blocks < 30) < 0.5


def test_webm_is_sent_as_soon_as_it_is_encoded() -> None:
    samples = talk(4, seed=2)
    sound = as_webm(samples)
    assert read_mono(b"".join(sound.pieces)).seconds == pytest.approx(4, abs=0.03)
    sizes = np.cumsum([len(piece) for piece in sound.pieces])
    assert len(sound.pieces) == len(sound.times) == len(SOUNDS[PCM](samples).pieces)
    assert sizes[len(sizes) // 2] > 0.3 * sizes[-1], "no cluster is kept back until it is full"


@pytest.mark.slow
@pytest.mark.parametrize("way", [PCM, WEBM])
def test_streams_are_measured(start_live, way) -> None:
    load = measure(Server(os.getpid(), start_live()), way, 2, 4.0)
    assert [len(told.lags) for told in load.told] == [hops_of(4)] * 2 == [4, 4]
    assert load.lost == 0
    assert min(lag for told in load.told for lag in told.lags) > 0
    assert load.cpu_share > 0
    lines = report({(way, 2): [load]}).splitlines()
    assert next(line.split("|")[1:4] for line in lines if line.startswith(f"| {way}")) == [f" {way} ", " 2 ", " 8 "]


@pytest.mark.slow
def test_streams_that_are_refused_are_lost(start_live) -> None:
    load = measure(Server(os.getpid(), start_live(streams=1)), PCM, 2, 4.0)
    assert load.lost == 1
