"""Made-up clips and measurements for the pictures of the exploration."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from deepemo.audio.longterm import BAND_HZ
from deepemo.dataset.measuring import Measurements
from deepemo.emotions import EMOTIONS


def _explored(*corpora: str) -> Measurements:
    """40 clips a class of each corpus by 4 speakers; the first of several corpora lacks surprise."""
    random = np.random.default_rng(3)
    rows = []
    for place, corpus in enumerate(corpora):
        emotions = EMOTIONS[:-1] if place == 0 and len(corpora) > 1 else EMOTIONS
        for number in range(40 * len(emotions)):
            speaker = number // len(emotions) % 4
            rows.append(
                {
                    "clip": f"{corpus}/{number}",
                    "corpus": corpus,
                    "speaker": f"{corpus}/{speaker}",
                    "gender": "female" if speaker % 2 else "male",
                    "emotion": emotions[number % len(emotions)],
                    "sentence": "dogs",
                    "rate_hz": (16000, 48000, 24414)[place % 3],
                }
            )
    count = len(rows)
    table = pd.DataFrame(rows).assign(
        seconds=random.uniform(1, 4, count),
        rms_dbfs=random.normal(-25, 4, count),
        pitch_hz=random.uniform(90, 300, count),
        pitch_semitones=random.uniform(2, 15, count),
        voiced_share=0.6,
        lead_seconds=random.uniform(0, 0.5, count),
        tail_seconds=random.uniform(0, 0.5, count),
    )
    spectra = random.normal(-10, 5, (count, len(BAND_HZ)))
    spectra[table["rate_hz"].to_numpy()[:, np.newaxis] / 2 < BAND_HZ] = np.nan
    return Measurements(table=table, spectra=spectra)


@pytest.fixture(scope="session")
def explored() -> Callable[..., Measurements]:
    """Makes clips and measurements of the corpora named."""
    return _explored


@pytest.fixture(scope="session")
def sounds() -> dict[str, tuple[np.ndarray, int]]:
    """A second of a rising tone for each emotion."""
    rate_hz = 16000
    phase = 2 * np.pi * np.cumsum(np.linspace(200, 2000, rate_hz)) / rate_hz
    return {
        emotion: ((0.1 * (place + 1) * np.sin(phase)).astype(np.float32), rate_hz)
        for place, emotion in enumerate(EMOTIONS)
    }
