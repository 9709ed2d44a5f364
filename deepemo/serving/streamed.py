"""From the bytes that a client streams to answers: PCM, or WebM from a browser's recorder."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Protocol

from deepemo.arrays import Float32Array
from deepemo.audio.io.decode import Recording
from deepemo.serving.live import LiveAnswer, LiveStream
from deepemo.serving.options import RecognitionOptions
from deepemo.serving.pcm import PcmFormat, PcmReader
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.results import Recognition, VoiceUse
from deepemo.serving.voice import VoiceReference
from deepemo.serving.webm import WebmDecoder


class StreamFormat(StrEnum):
    """Format of a stream: PCM of one kind, or WebM."""

    S16 = PcmFormat.S16.value
    F32 = PcmFormat.F32.value
    WEBM = "webm"


class StreamedSound(Protocol):
    """Sound that arrives as bytes, cut anywhere. One thread at a time calls its methods, but any may call `close`.

    Attributes:
        voice_use: whether a reference of the voice is used; None if there is none.
    """

    voice_use: VoiceUse | None

    def hear(self, content: bytes) -> Iterator[LiveAnswer]:
        """The answers of the hops that these bytes complete; the work is done while the answers are iterated over.

        Raises:
            DecodeError: the bytes are not in the announced format.
            TooLongError: there is more sound than is accepted.
            CancelledError: the stream was closed.
        """

    def end(self) -> Iterator[LiveAnswer]:
        """The remaining answers after the last bytes; raises the same errors as `hear`."""

    def recognition(self) -> Recognition:
        """The recognition of all sound received, as for an upload; raises the errors of `hear` and of its reader."""

    def close(self) -> None:
        """Drop the work on the stream, and free what is held for it."""


class PcmSound:
    """A stream of PCM."""

    def __init__(self, live: LiveStream, reader: PcmReader) -> None:
        """Start with nothing heard."""
        self.voice_use = live.voice_use
        self._live = live
        self._reader = reader

    def hear(self, content: bytes) -> Iterator[LiveAnswer]:
        """See `StreamedSound`."""
        self._live.add(self._reader.frames(content))
        yield from self._live.answers()

    def end(self) -> Iterator[LiveAnswer]:
        """No answers: PCM is answered completely as it arrives."""
        return iter(())

    def recognition(self) -> Recognition:
        """See `StreamedSound`."""
        return self._live.finish()

    def close(self) -> None:
        """There is nothing to free."""


class WebmSound:
    """A stream of WebM. It is decoded as it arrives, and again at its end, like an upload of the same bytes."""

    def __init__(
        self,
        recognizer: Recognizer,
        options: RecognitionOptions,
        decoder: WebmDecoder,
        read: Callable[[bytes], Recording],
        voice: VoiceReference | None = None,
    ) -> None:
        """Start with nothing heard.

        Args:
            recognizer: to use.
            options: of the recognition.
            decoder: of the stream; `close` closes it too.
            read: decodes the whole stream to one channel.
            voice: reference of the voice, see `LiveStream`.
        """
        self._recognizer = recognizer
        self._options = options
        self._decoder = decoder
        self._read = read
        self._voice = voice
        self.voice_use = recognizer.on_windows(voice).voice
        self._content: list[bytes] = []
        self._live: LiveStream | None = None

    def hear(self, content: bytes) -> Iterator[LiveAnswer]:
        """See `StreamedSound`."""
        self._content.append(content)
        yield from self._hear(self._decoder.decode(content))

    def end(self) -> Iterator[LiveAnswer]:
        """See `StreamedSound`."""
        yield from self._hear(self._decoder.finish())

    def recognition(self) -> Recognition:
        """See `StreamedSound`."""
        return self._recognizer.recognize_decoded(self._read(b"".join(self._content)), self._options, self._voice)

    def close(self) -> None:
        """End the decoder."""
        self._decoder.close()

    def _hear(self, samples: Float32Array) -> Iterator[LiveAnswer]:
        if self._decoder.rate_hz is None:
            return
        if self._live is None:
            rate_hz = self._decoder.rate_hz
            self._live = LiveStream(self._recognizer, self._options, rate_hz=rate_hz, keeps=False, voice=self._voice)
        self._live.add(samples[:, None])
        yield from self._live.answers()
