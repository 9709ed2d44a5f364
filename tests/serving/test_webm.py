"""Decoding WebM as it arrives: the samples of the file, within limits of memory, time and length for any input."""

import resource
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest

from deepemo.audio.io.decode import read_mono
from deepemo.errors import DecodeError, TooLongError
from deepemo.serving.containment import MIB, CancelledError
from deepemo.serving.webm import MEMORY_BYTES, WebmDecoder
from deepemo.serving.webm_process import HUNGRY, RATE, REFUSED, SOUND
from tests.fixtures.recorders import webm
from tests.fixtures.serving import tone

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recorded() -> bytes:
    return webm(tone(5))


@pytest.fixture
def start() -> Iterator[Callable[..., WebmDecoder]]:
    started = []

    def decoder(**limits: float) -> WebmDecoder:
        started.append(WebmDecoder(**{"max_seconds": 300, "seconds": 20, **limits}))
        return started[-1]

    yield decoder
    for one in started:
        one.close()
    assert processes() == []


def processes() -> list[psutil.Process]:
    mine = psutil.Process().children()
    return [child for child in mine if "deepemo.serving.webm_process" in child.cmdline()]


def element(name: int, content: bytes) -> bytes:
    """An element of EBML, its length in eight bytes."""
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + b"\x01" + len(content).to_bytes(7, "big") + content


def attachment(content: bytes) -> bytes:
    """Matroska's list of attached files, with one."""
    file = element(0x466E, b"a.bin") + element(0x4660, b"x/y") + element(0x46AE, b"\x01") + element(0x465C, content)
    return element(0x1941A469, element(0x61A7, file))


def test_the_samples_are_those_of_the_file(start, recorded) -> None:
    decoder = start()
    pieces = [decoder.decode(recorded[first : first + 777]) for first in range(0, len(recorded), 777)]
    samples = np.concatenate([*pieces, decoder.finish()])
    expected = read_mono(recorded)
    assert np.array_equal(samples, expected.samples[:, 0])
    assert decoder.rate_hz == expected.rate_hz == 48_000
    # Sound comes piece by piece, not at the end.
    heard = np.cumsum([len(piece) for piece in pieces]) / 48_000
    assert heard[len(heard) // 2] == pytest.approx(2.5, abs=0.3)
    assert len(decoder.finish()) == 0


@pytest.mark.slow
def test_the_length_is_limited(start, recorded) -> None:
    with pytest.raises(TooLongError, match="longer than 4 s"):
        start(max_seconds=4).decode(recorded)
    small = webm(np.zeros(600 * 16_000, np.float32))
    assert len(small) < 1 * MIB
    decoder = start()
    with pytest.raises(TooLongError, match="longer than 300 s"):
        decoder.decode(small)
    assert psutil.Process(processes()[-1].pid).memory_info().rss < 200 * MIB


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory holds on Linux")
def test_memory_is_limited(start, recorded) -> None:
    """A file is attached to the recording, and the demuxer keeps it in memory."""
    cluster = recorded.index(b"\x1f\x43\xb6\x75")
    content = recorded[:cluster] + attachment(bytes(20 * MIB)) + recorded[cluster:]
    pieces = [content[first : first + MIB] for first in range(0, len(content), MIB)]
    ample = start(memory_bytes=200 * MIB)
    assert sum(len(ample.decode(piece)) for piece in pieces) > 4 * 48_000
    (child,) = processes()
    assert child.memory_info().rss > 70 * MIB, "it does keep it"
    ample.close()
    with pytest.raises(DecodeError, match=r"Cannot allocate memory|more memory to decode|its decoder died"):
        list(map(start().decode, pieces))


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory holds on Linux")
def test_a_decoder_may_not_write_files_nor_take_more_than_it_is_given(start, recorded) -> None:
    start().decode(recorded)
    (child,) = processes()
    assert child.rlimit(resource.RLIMIT_FSIZE) == (0, 0)
    assert child.rlimit(resource.RLIMIT_CORE) == (0, 0)
    assert child.rlimit(resource.RLIMIT_AS)[0] < child.memory_info().vms + MEMORY_BYTES
    assert 20 <= child.rlimit(resource.RLIMIT_CPU)[0] <= 25


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (psutil.Process.kill, r"its decoder died \(status -9\)"),
        (psutil.Process.suspend, r"takes longer than 0\.5 s to decode"),
        (lambda child: child.send_signal(24), r"takes more than 0\.5 s of processor time"),
    ],
)
def test_a_decoder_that_hangs_or_dies_is_one_clear_error(start, recorded, what, told) -> None:
    deaths: list[None] = []
    decoder = start(seconds=0.5, on_death=lambda: deaths.append(None))
    decoder.decode(recorded[:1000])
    (child,) = processes()
    what(child)
    began = time.monotonic()
    with pytest.raises(DecodeError, match=told):
        decoder.decode(recorded[1000:])
    assert time.monotonic() - began < 10
    assert len(deaths) == 1


def test_what_a_decoder_says_is_not_believed(start, recorded, monkeypatch) -> None:
    """A decoder that a hostile stream has taken over may send any output."""
    rate = RATE.pack(48_000)
    for bad in (
        b"",
        b"?",
        SOUND,
        SOUND + RATE.pack(1) + bytes(4),
        SOUND + rate + bytes(3),
        SOUND + rate + bytes(1 << 20),
    ):
        decoder = start()
        decoder.decode(recorded[:1000])
        said = iter([bad, HUNGRY])

        def recv(longest: int, said: Iterator[bytes] = said) -> bytes:
            message = next(said)
            if len(message) > longest:
                raise OSError("bad message length")
            return message

        monkeypatch.setattr(decoder._process.connection, "recv_bytes", recv, raising=False)
        with pytest.raises(DecodeError, match="its decoder died"):
            decoder.decode(recorded[1000:])
    decoder = start()
    decoder.decode(recorded[:1000])
    monkeypatch.setattr(decoder._process.connection, "recv_bytes", lambda longest: REFUSED + b"\xff" * 5000)
    with pytest.raises(DecodeError) as error:
        decoder.decode(recorded[1000:])
    assert len(str(error.value)) < 1100


def test_closing_gives_up_what_is_decoded(start, recorded) -> None:
    decoder = start()
    decoder.decode(recorded[:1000])
    decoder.close()
    with pytest.raises(CancelledError):
        decoder.decode(recorded[1000:])
