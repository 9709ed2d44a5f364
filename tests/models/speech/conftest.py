"""The speech encoder with its weights, and something spoken for it."""

import keras
import numpy as np
import pytest

from deepemo.audio.samples import resample
from deepemo.corpora.synthetic.espeak import RATE_HZ, Espeak, Request
from deepemo.models.speech.family import SpeechInput
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.moonshine import SAMPLE_RATE_HZ
from deepemo.models.speech.weights import load_encoder


@pytest.fixture(scope="session")
def front_end() -> SpeechFrontEnd:
    """As params.yaml has it."""
    return SpeechFrontEnd(SpeechInput(clip_seconds=6.0, trim_below_db=40.0, level_dbfs=-26.0))


# Not for the whole session: tests of other modules clear Keras's session, and Keras then gives names of this network
# again. A network built on it would have two layers of one name.
@pytest.fixture(scope="module")
def encoder() -> keras.Model:
    """Moonshine tiny with the weights of the wheel."""
    return load_encoder("moonshine_tiny")


@pytest.fixture(scope="session")
def spoken() -> list[np.ndarray]:
    """Three synthetic utterances of different lengths and voices, float32 [samples] at the encoder's rate."""
    said = (
        ("The letter is on the table.", "en-us+f2", 160),
        ("We will meet at the corner, as we did the year before last.", "en-us", 190),
        ("Kids are talking by the door.", "en-us+m3", 120),
    )
    with Espeak() as espeak:
        utterances = [
            espeak.speak(Request(text=text, voice=voice, rate_wpm=rate, pitch=50, pitch_range=60, word_gap=0))
            for text, voice, rate in said
        ]
    return [resample(utterance.astype(np.float32) / 2**15, RATE_HZ, SAMPLE_RATE_HZ) for utterance in utterances]
