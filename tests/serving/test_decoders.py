"""Decoding in separate processes: the same samples, and a file can affect only its own answer."""

import json
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from deepemo.audio.io.decode import read_mono
from deepemo.errors import DecodeError, TooLongError
from deepemo.serving.containment import MIB, CancelledError
from deepemo.serving.decoders import Decoders, DecodingLimits
from tests.fixtures.hostile import claiming_mp4
from tests.fixtures.serving import to_wav, tone

ROOT = Path(__file__).parents[2]


def children() -> list[psutil.Process]:
    mine = psutil.Process().children(recursive=True)
    return [child for child in mine if "deepemo.serving.decoder_process" in child.cmdline()]


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A recording that takes much longer to decode than 0.1 s, after which a server checks which clients still wait."""
    return to_wav(tone(280, rate_hz=48_000), 48_000, format="OGG", subtype="OPUS")


@pytest.fixture
def two() -> Iterator[Decoders]:
    decoders = Decoders(2, DecodingLimits(max_seconds=300, seconds=120))
    yield decoders
    decoders.close()
    assert children() == []


def test_the_answer_is_the_one_of_read_mono(two: Decoders) -> None:
    stereo = np.stack([tone(2), -tone(2)], axis=1)
    for content, channel in (
        (to_wav(tone(1)), None),
        (to_wav(stereo), None),
        (to_wav(stereo)[:-9_000], 1),
        (to_wav(tone(1, rate_hz=44_100), 44_100, format="FLAC"), 3),
        (to_wav(np.zeros(0, np.float32)), None),
    ):
        expected, found = read_mono(content, channel=channel), two.read_mono(content, channel=channel)
        assert np.array_equal(found.samples, expected.samples)
        assert (found.rate_hz, found.container, found.channels, found.channel, found.remarks) == (
            *(expected.rate_hz, expected.container, expected.channels, expected.channel, expected.remarks),
        )


def test_refusals_are_the_ones_of_read_mono(two: Decoders) -> None:
    for content in (b"no sound", b"", claiming_mp4(60_000_000)):
        with pytest.raises(DecodeError) as expected:
            read_mono(content)
        with pytest.raises(DecodeError) as found:
            two.read_mono(content)
        assert str(found.value) == str(expected.value)
    with pytest.raises(TooLongError, match="longer than 300 s"):
        two.read_mono(to_wav(np.zeros(301 * 4000, np.float32), 4000))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_decoder_that_dies_costs_its_own_request_alone(two: Decoders, slow: bytes, number: int) -> None:
    two.read_mono(to_wav(tone(1)))
    (busy,) = children()
    with ThreadPoolExecutor(2) as threads:
        lost = threads.submit(two.read_mono, slow)
        time.sleep(0.2)
        other = threads.submit(two.read_mono, slow)
        busy.send_signal(number)
        with pytest.raises(DecodeError, match=rf"its decoder died \(status -{int(number)}\)"):
            lost.result()
        assert other.result().seconds == pytest.approx(280, abs=0.1)
    assert two.read_mono(to_wav(tone(1))).seconds == 1


@pytest.mark.slow
def test_memory_is_limited() -> None:
    class Tight(DecodingLimits):
        @property
        def memory_bytes(self) -> int:
            return 40 * MIB

    decoders = Decoders(1, Tight(max_seconds=3600))
    silence = to_wav(np.zeros(3600 * 8000, np.float32), 8000, format="FLAC")
    assert read_mono(silence).seconds == 3600
    with pytest.raises(DecodeError, match=r"more memory to decode than is allowed|its decoder died"):
        decoders.read_mono(silence)
    assert decoders.read_mono(to_wav(tone(1))).seconds == 1
    decoders.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory holds on Linux")
def test_a_decoder_may_not_write_files_nor_take_more_than_it_is_given(two: Decoders) -> None:
    two.read_mono(to_wav(tone(1)))
    (child,) = children()
    assert child.rlimit(resource.RLIMIT_FSIZE) == (0, 0)
    assert child.rlimit(resource.RLIMIT_CORE) == (0, 0)
    assert child.rlimit(resource.RLIMIT_AS)[0] < child.memory_info().vms + two.limits.memory_bytes + 100 * MIB
    assert two.limits.memory_bytes < 512 * MIB


@pytest.mark.slow
def test_time_is_limited_and_holds_inside_a_decoder(slow: bytes) -> None:
    decoders = Decoders(1, DecodingLimits(max_seconds=300, seconds=0.3))
    assert decoders.read_mono(to_wav(tone(1))).seconds == 1
    began = time.monotonic()
    with pytest.raises(DecodeError, match=r"takes longer than 0\.3 s to decode"):
        decoders.read_mono(slow)
    assert time.monotonic() - began < 10
    assert decoders.read_mono(to_wav(tone(1))).seconds == 1
    decoders.close()


@pytest.mark.slow
def test_nobody_waiting_ends_the_work(two: Decoders, slow: bytes) -> None:
    two.read_mono(to_wav(tone(1)))
    began = time.monotonic()
    with pytest.raises(CancelledError):
        two.read_mono(slow, gone=lambda: True)
    assert time.monotonic() - began < 10
    assert two.read_mono(to_wav(tone(1))).seconds == 1


@pytest.mark.slow
def test_a_decoder_at_work_while_they_are_closed_answers_and_ends(slow: bytes) -> None:
    decoders = Decoders(1, DecodingLimits(max_seconds=300, seconds=120))
    decoders.read_mono(to_wav(tone(1)))
    at_work = threading.Event()

    def gone() -> bool:
        at_work.set()
        return False

    with ThreadPoolExecutor(2) as pool:
        working = pool.submit(decoders.read_mono, slow, gone=gone)
        assert at_work.wait(60)
        waiting = pool.submit(decoders.read_mono, slow)
        decoders.close()
        assert working.result(60).seconds > 270
        with pytest.raises(CancelledError):
            waiting.result(60)
    assert children() == []


@pytest.mark.slow
def test_decoders_end_with_the_process_that_started_them() -> None:
    script = (
        "from deepemo.serving.decoders import Decoders, DecodingLimits\n"
        "from tests.fixtures.serving import to_wav, tone\n"
        "decoders = Decoders(2, DecodingLimits(max_seconds=9)); decoders.start(2)\n"
        "decoders.read_mono(to_wav(tone(1))); print('up', flush=True); input()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "up\n"
    mine = psutil.Process(parent.pid).children()
    assert len(mine) == 2
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(mine, timeout=20)
    assert alive == []


@pytest.mark.slow
def test_what_a_decoder_says_is_not_believed(two: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that a hostile file has taken over may send any output."""
    for bad in (
        {"frames": 10**12}, {"frames": -1}, {"rate_hz": 1}, {"container": "x" * 99}, {"channels": 0},
        {"remarks": [["a", "b"]]}, {"remarks": [["partial"]]}, {"more": 1}, {"frames": "9"},
    ):  # fmt: skip
        lying = SimpleNamespace(loads=lambda text, bad=bad: {**json.loads(text), **bad})
        monkeypatch.setattr("deepemo.serving.decoders.json", lying)
        with pytest.raises(DecodeError, match="its decoder died"):
            two.read_mono(to_wav(tone(1)))
    monkeypatch.undo()
    assert two.read_mono(to_wav(tone(1))).seconds == 1
