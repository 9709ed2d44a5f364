"""Clients of live streams for the benchmark: synthetic speech, sent at the speed of speech."""

import asyncio
import io
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
import numpy.typing as npt
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError

from deepemo.audio.samples import resample
from deepemo.corpora.catalogue.synthetic import CORPUS
from deepemo.corpora.synthetic.channel import record
from deepemo.corpora.synthetic.espeak import Espeak
from deepemo.corpora.synthetic.prosody import cast, deliver, request
from deepemo.emotions import EMOTIONS

RATE_HZ = 48_000
# As in the page: samples of a piece, and bits a second of its recorder.
PIECE_SAMPLES = 4096
WEBM_BITS = 128_000
PCM, WEBM = "PCM", "WebM"
_READ_BYTES = 1 << 16
_ANSWER_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Sound:
    """What a client sends.

    Attributes:
        start: its first message.
        pieces: of the sound.
        times: seconds from the start at which each piece is sent: when its last sample has been spoken.
    """

    start: dict[str, object]
    pieces: list[bytes]
    times: list[float]


@dataclass(kw_only=True)
class Told:
    """What the server told a client.

    Attributes:
        lags: seconds from sending the last sample of a window to its answer, for each answer.
        whole_seconds: from the end of the sound to the answer to all of it; None if the stream was lost.
    """

    lags: list[float]
    whole_seconds: float | None = None


def talk(seconds: float, *, seed: int) -> npt.NDArray[np.int16]:
    """Sentences of synthetic speakers with pauses for a quarter of the time: int16 [n] at 48 kHz."""
    rng = np.random.default_rng(seed)
    speakers, sentences = cast(16, seed=seed), list(CORPUS.sentences.values())
    parts: list[npt.NDArray[np.float32]] = []
    length = 0
    with Espeak() as espeak:
        while length < seconds * RATE_HZ:
            speaker = speakers[int(rng.integers(len(speakers)))]
            prosody = deliver(speaker, EMOTIONS[int(rng.integers(len(EMOTIONS)))], rng)
            spoken = espeak.speak(request(speaker, sentences[int(rng.integers(len(sentences)))], prosody, rng))
            clip = record(spoken, speaker, prosody, rng).astype(np.float32).mean(axis=1) / 32768
            said = resample(clip, speaker.rate_hz, RATE_HZ)
            parts += [said, np.zeros(round(rng.uniform(0.2, 1.4) * RATE_HZ), np.float32)]
            length += len(said) + len(parts[-1])
    samples = np.concatenate(parts)[: round(seconds * RATE_HZ)]
    return np.rint(32767 * np.clip(samples, -1, 1)).astype(np.int16)


def as_pcm(samples: npt.NDArray[np.int16]) -> Sound:
    """Sound as the page sends it."""
    starts = range(0, len(samples), PIECE_SAMPLES)
    return Sound(
        start={"format": "s16", "rate_hz": RATE_HZ},
        pieces=[samples[start : start + PIECE_SAMPLES].tobytes() for start in starts],
        times=[min(len(samples), start + PIECE_SAMPLES) / RATE_HZ for start in starts],
    )


class _Pieces:
    """A file that cannot seek, whose content is taken piece by piece."""

    def __init__(self) -> None:
        self._written = io.BytesIO()

    def write(self, content: bytes) -> int:
        return self._written.write(content)

    def take(self) -> bytes:
        content = self._written.getvalue()
        self._written = io.BytesIO()
        return content


def as_webm(samples: npt.NDArray[np.int16]) -> Sound:
    """Sound as a browser's recorder sends it: each piece as soon as it is encoded."""
    pieces, times = [], []
    written = _Pieces()
    # FFmpeg writes a cluster at its end, but a recorder writes packets at once. So each packet has its own cluster.
    options = {"live": "1", "flush_packets": "1", "cluster_time_limit": "1"}
    with av.open(written, "w", format="webm", options=options) as output:
        track = output.add_stream("libopus", rate=RATE_HZ, layout="mono")
        track.bit_rate = WEBM_BITS
        for start in range(0, len(samples), PIECE_SAMPLES):
            part = samples[start : start + PIECE_SAMPLES]
            frame = av.AudioFrame.from_ndarray(part[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE_HZ, start
            output.mux(track.encode(frame))
            pieces.append(written.take())
            times.append((start + len(part)) / RATE_HZ)
        output.mux(track.encode(None))
    pieces[-1] += written.take()
    return Sound(start={"format": "webm"}, pieces=pieces, times=times)


SOUNDS = {PCM: as_pcm, WEBM: as_webm}


class Client:
    """One stream."""

    def __init__(self, address: str, source: str) -> None:
        self._address = urlsplit(address)
        self._source = source
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._text = ""

    async def run(self, sound: Sound, delay: float) -> Told:
        """Send sound at the speed of speech, starting after `delay` seconds, and record when answers arrive."""
        told = Told(lags=[])
        await asyncio.sleep(delay)
        connecting = asyncio.open_connection(self._address.hostname, self._address.port, local_addr=(self._source, 0))
        self._reader, self._writer = await connecting
        try:
            self._writer.write(self._protocol.send(Request(host=self._address.netloc, target="/v1/stream")))
            # LocalProtocolError: the server has closed the stream.
            with suppress(ConnectionError, TimeoutError, LocalProtocolError):
                await self._talk(sound, told)
        finally:
            self._writer.close()
        return told

    async def _talk(self, sound: Sound, told: Told) -> None:
        loop = asyncio.get_running_loop()
        if not isinstance(await self._next(), AcceptConnection):
            return
        self._send(TextMessage(json.dumps(sound.start)))
        began = loop.time()
        listening = asyncio.create_task(self._listen(sound, told, began))
        try:
            for piece, spoken in zip(sound.pieces, sound.times, strict=True):
                await asyncio.sleep(began + spoken - loop.time())
                self._send(BytesMessage(piece))
            self._send(TextMessage("end"))
            await asyncio.wait_for(listening, _ANSWER_SECONDS)
        finally:
            listening.cancel()

    async def _listen(self, sound: Sound, told: Told, began: float) -> None:
        loop = asyncio.get_running_loop()
        while (message := await self._message()) is not None:
            now = loop.time() - began
            if message["type"] == "answer":
                told.lags.append(now - message["window"]["end_seconds"])
            elif message["type"] == "recognition":
                told.whole_seconds = now - sound.times[-1]

    async def _message(self) -> dict[str, Any] | None:
        while isinstance(event := await self._next(), TextMessage):
            self._text += event.data
            if event.message_finished:
                text, self._text = self._text, ""
                found: dict[str, Any] = json.loads(text)
                return found
        return None

    async def _next(self) -> object:
        while True:
            for event in self._protocol.events():
                if isinstance(event, Ping):
                    self._send(event.response())
                elif isinstance(event, CloseConnection | RejectConnection):
                    return None
                else:
                    return event
            received = await self._reader.read(_READ_BYTES)
            if not received:
                return None
            self._protocol.receive_data(received)

    def _send(self, event: TextMessage | BytesMessage | Pong) -> None:
        self._writer.write(self._protocol.send(event))
