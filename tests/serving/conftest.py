"""A made-up model that answers by loudness alone, recordings to ask it about, and servers around it."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import soundfile
import uvicorn
from fastapi.testclient import TestClient

from deepemo.audio.voice import VoiceGate
from deepemo.corpora.espeak import RATE_HZ, Espeak, Request
from deepemo.emotions import EMOTIONS, INDEX
from deepemo.serving.api import create_app
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.settings import Settings

SURE = 0.88


@dataclass(frozen=True)
class Spec:
    """As much of a FeatureSpec as a recognizer asks for, so that these tests need no TensorFlow."""

    sample_rate_hz: int = 16_000
    clip_seconds: float = 3.5
    clip_samples: int = 56_000
    hop_samples: int = 320
    trim_below_db: float | None = 40.0


class LoudnessModel:
    """Loud is angry, middling happy, and quiet it cannot tell."""

    name = "fake"
    threshold = 0.6

    def __init__(self) -> None:
        self.spec = Spec()
        self.batches: list[int] = []
        self.interrupt: Callable[[], object] = lambda: None

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        self.interrupt()
        self.batches.append(len(features))
        answers = np.full((len(features), len(EMOTIONS)), 1 / len(EMOTIONS))
        for answer, level in zip(answers, features[:, 0], strict=True):
            emotion = "angry" if level > 0.2 else "happy" if level > 0.05 else None
            if emotion:
                answer[:] = (1 - SURE) / (len(EMOTIONS) - 1)
                answer[INDEX[emotion]] = SURE
        return answers


def loudness(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    return np.array([np.sqrt(np.mean(np.square(samples)))], dtype=np.float32)


def to_wav(samples: np.ndarray, rate_hz: int = 16_000, **options: str) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, samples, rate_hz, **{"format": "WAV", "subtype": "PCM_16", **options})
    return content.getvalue()


@pytest.fixture(scope="session")
def wav() -> Callable[..., bytes]:
    """Encodes samples as a sound file, by default 16-bit WAV at 16 kHz."""
    return to_wav


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """About three seconds of synthetic speech, mono at 16 kHz, its RMS 0.1."""
    request = Request(
        text="The letter is on the table. We will meet at the corner.",
        voice="en-us",
        rate_wpm=170,
        pitch=50,
        pitch_range=50,
        word_gap=0,
    )
    with Espeak() as espeak:
        spoken = espeak.speak(request).astype(np.float32)
    resampled = np.interp(np.arange(0, len(spoken), RATE_HZ / 16_000), np.arange(len(spoken)), spoken)
    return (0.1 * resampled / np.sqrt(np.mean(np.square(resampled)))).astype(np.float32)


@pytest.fixture
def model() -> LoudnessModel:
    return LoudnessModel()


@pytest.fixture
def recognizer(model: LoudnessModel) -> Recognizer:
    """Hears voices by the real gate."""
    return Recognizer(model, loudness)


@pytest.fixture
def trusting(model: LoudnessModel) -> Recognizer:
    """Takes any sound for a voice."""
    return Recognizer(model, loudness, gate=VoiceGate(threshold=0.0, min_share=0.0, min_seconds=0.0))


ABOUT = {
    "model": "fake",
    "version": "0.0.0",
    "revision": "0" * 40,
    "emotions": list(EMOTIONS),
    "parts": [],
    "features": {"clip_seconds": 3.5},
    "calibration": {"temperature": 1.0, "threshold": 0.6, "wanted_accuracy": 0.8, "fitted_on": None},
    "gate": {},
    "corpora": [{"name": "synthetic", "title": "Synthetic", "language": "en", "licence": "generated here"}],
    "figures": {"fake": {"unseen_speakers": {"accuracy": 0.5, "uar": 0.4, "macro_f1": 0.4, "clips": 100}}},
    "limits": ["It knows nothing but loudness."],
}


@pytest.fixture(scope="session")
def about() -> dict:
    return ABOUT


@pytest.fixture
def serve(trusting: Recognizer) -> Iterator[Callable[..., TestClient]]:
    """Starts servers with settings of the test's choice, and stops them."""
    clients = []

    def start(recognizer: Recognizer = trusting, card: str | None = "# Card", **settings: object) -> TestClient:
        client = TestClient(
            create_app(recognizer, ABOUT, card=card, settings=Settings(**settings)), raise_server_exceptions=False
        )
        client.__enter__()
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    return serve()


@pytest.fixture
def start_live(model: LoudnessModel) -> Iterator[Callable[..., str]]:
    """Starts real servers with the real voice gate, on ports of their own, and gives their addresses."""
    servers = []

    def start(**settings: object) -> str:
        app = create_app(Recognizer(model, loudness), ABOUT, card="# Card", settings=Settings(**settings))
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server ended before it began"
            time.sleep(0.02)
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def live(start_live: Callable[..., str]) -> str:
    """Address of a real server."""
    return start_live(hosts=("127.0.0.1",))
