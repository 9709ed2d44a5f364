"""Features are normalised by group in frames with sound; the mean over views differs from the answer to the clip."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from benchmarks.variants import band_offsets, normalised_shards, validation_uars
from deepemo.audio.spec import FeatureSpec
from deepemo.dataset.shards import read_features, read_spec, write_shards
from deepemo.emotions import EMOTIONS
from deepemo.params import Augment

FRAMES, BANDS = 6, 4
SPEC = FeatureSpec(
    sample_rate_hz=16000, kind="mel", clip_seconds=0.12, trim_below_db=None, window_seconds=0.064, hop_seconds=0.02,
    mel_bands=8, min_hz=50.0, max_hz=8000.0, range_db=80.0,
)  # fmt: skip
NONE = Augment(
    append_neutral=0.0, time_scale=0.0, time_shift_seconds=0.0, frequency_shift_bands=0.0, gain_db=0.0, noise=0.0,
    time_masks=0, time_mask_seconds=0.0, frequency_masks=0, frequency_mask_bands=0, mixup=0.0,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Clip a has sound in two frames at 0.2, b in four at 0.5, and c, which is in no group, in one at 0.9."""
    arrays = []
    for clip, frames, level in (("a", 2, 0.2), ("b", 4, 0.5), ("c", 1, 0.9)):
        values = np.zeros((FRAMES, BANDS), np.float32)
        values[:frames] = level
        arrays.append((clip, values))
    about = {"features": {"kind": "mel"}}
    write_shards(tmp_path / "features", iter(arrays), shards=2, shape=(FRAMES, BANDS), about=about)
    return tmp_path / "features"


def test_an_offset_brings_a_group_to_the_mean_of_all_sounding_frames(folder: Path) -> None:
    offsets = band_offsets(folder, pd.Series({"a": "quiet", "b": "loud"}))
    np.testing.assert_allclose(offsets["quiet"], np.full(BANDS, 0.4 - 0.2), atol=1e-3)
    np.testing.assert_allclose(offsets["loud"], np.full(BANDS, 0.4 - 0.5), atol=1e-3)


def test_silence_stays_silent_and_other_clips_are_left_out(folder: Path, tmp_path: Path) -> None:
    written = tmp_path / "normalised"
    normalised_shards(folder, written, pd.Series({"a": "quiet", "b": "loud"}))
    clips = {
        clip: features
        for names, values in read_features(written, ["a", "b"], batch_size=2)
        for clip, features in zip(names, values, strict=True)
    }
    for clip, frames in (("a", 2), ("b", 4)):
        np.testing.assert_allclose(clips[clip][:frames], 0.4, atol=2e-3)
        assert not clips[clip][frames:].any()
    assert read_spec(written)["clips"] == 2
    assert read_spec(written)["features"] == read_spec(folder)["features"]


def test_the_mean_of_views_may_answer_otherwise(folder: Path) -> None:
    """A network that says "angry" of all below 0.45 and "disgust" of all above, and views that are much louder."""
    inputs = keras.Input((FRAMES, BANDS))
    loudest = keras.ops.max(inputs, axis=(1, 2), keepdims=False)
    angry = keras.ops.sign(0.45 - loudest)[:, None]
    network = keras.Model(inputs, keras.ops.concatenate([angry, -2.0 * angry] + [angry * 0.0 - 9.0] * 5, axis=1))
    clips = pd.DataFrame({"clip": ["a", "b"], "emotion": ["angry", "disgust"]})
    same = validation_uars(network, folder, clips, EMOTIONS, NONE, SPEC, views=3, seed=1)
    assert same == (pytest.approx(1.0), pytest.approx(1.0))
    loud = NONE.model_copy(update={"gain_db": 72.0})
    plain, mean = validation_uars(network, folder, clips, EMOTIONS, loud, SPEC, views=32, seed=1)
    assert plain == pytest.approx(1.0)
    assert mean < 1.0
