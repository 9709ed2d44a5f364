import json

import numpy as np
import pandas as pd
import pytest

from deepemo.eda.explore import explore, trimmed_seconds
from deepemo.eda.likeness import classify_corpora, tell_pairs
from deepemo.eda.measure import Measurements
from deepemo.eda.recommend import recommend
from deepemo.emotions import EMOTIONS

BANDS = 12


def made(*, apart_db: float, corpora: tuple[str, ...] = ("east", "west"), speakers: int = 3) -> Measurements:
    """Clips of two corpora whose spectra are `apart_db` apart, in addition to differences between clips."""
    random = np.random.default_rng(4)
    rows, spectra = [], []
    for place, corpus in enumerate(corpora):
        shape = random.normal(size=BANDS)
        for speaker in range(speakers):
            for number, emotion in enumerate(EMOTIONS * 3):
                clip = f"{corpus}/{speaker}_{number}"
                gender = "female" if speaker % 2 else "male"
                rows.append((clip, corpus, f"{corpus}/{speaker}", gender, emotion, 16000, 2.0 + place, -20.0 - place))
                spectra.append(apart_db * place * shape + random.normal(size=BANDS))
    names = ["clip", "corpus", "speaker", "gender", "emotion", "rate_hz", "seconds", "rms_dbfs"]
    table = pd.DataFrame(rows, columns=names).assign(
        pitch_hz=150.0, pitch_semitones=5.0, voiced_share=0.5, lead_seconds=0.2, tail_seconds=0.1
    )
    return Measurements(table=table, spectra=np.array(spectra))


def test_corpora_that_differ_are_told_and_alike_ones_are_not() -> None:
    assert classify_corpora(made(apart_db=5.0)) == pytest.approx(1.0)
    assert classify_corpora(made(apart_db=0.0, speakers=12)) == pytest.approx(0.5, abs=0.1)


def test_bands_that_some_rate_lacks_tell_nothing() -> None:
    alike = made(apart_db=0.0, speakers=12)
    cut = alike.spectra.copy()
    cut[(alike.table["corpus"] == "west").to_numpy(), -2:] = np.nan
    found = classify_corpora(Measurements(table=alike.table, spectra=cut))
    assert found == pytest.approx(0.5, abs=0.1)


def test_corpora_are_told_only_where_speakers_can_be_left_out() -> None:
    assert classify_corpora(made(apart_db=5.0, corpora=("east",))) is None
    assert classify_corpora(made(apart_db=5.0, speakers=1)) is None


def test_each_pair_of_corpora_is_told_by_what_differs_between_the_two() -> None:
    three = made(apart_db=0.0, speakers=12, corpora=("east", "north", "west"))
    spectra = three.spectra.copy()
    spectra[(three.table["corpus"] == "west").to_numpy()] += np.linspace(0, 40, spectra.shape[1])
    pairs = tell_pairs(Measurements(table=three.table, spectra=spectra))
    assert pairs.loc["east", "north"] == pairs.loc["north", "east"] == pytest.approx(0.5, abs=0.1)
    assert pairs.loc["west", "east"] == pairs.loc["north", "west"] == pytest.approx(1.0)
    assert np.isnan(np.diag(pairs.to_numpy())).all()


def test_a_corpus_of_one_voice_has_no_pairs_and_two_corpora_need_no_table() -> None:
    three = made(apart_db=5.0, corpora=("east", "north", "west"))
    alone = three.table["corpus"].ne("west") | three.table["speaker"].eq("west/0")
    pairs = tell_pairs(Measurements(table=three.table[alone], spectra=three.spectra[alone.to_numpy()]))
    assert pairs["west"].isna().all()
    assert pairs.loc["east", "north"] > 0.9
    assert tell_pairs(made(apart_db=5.0)).empty


def test_measured_clips_stand_for_those_not_drawn() -> None:
    measured = made(apart_db=0.0)
    # Each measured clip of the east has the weight of 1 clip. Each of the west, where clips are a second longer, of 9.
    west = measured.table[measured.table["corpus"] == "west"]
    clips = pd.concat([measured.table, *[west] * 8])
    assert trimmed_seconds(measured.table, measured, 0.5) == pytest.approx(1.7)
    assert trimmed_seconds(clips, measured, 0.5) == pytest.approx(2.7)
    assert trimmed_seconds(clips, measured, 0.1) == pytest.approx(1.7)


def test_figures_are_plain_and_say_what_covers() -> None:
    measured = made(apart_db=5.0)
    clips = measured.table
    figures = explore(clips, measured, recommend(clips, 0.8), tell_pairs(measured))
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert figures["recommended"]["clip_seconds"] == 3.0
    assert figures["recommended"]["held_share"] == 1.0
    assert figures["first_deepemo"]["held_share"] == 0.5
    assert figures["first_deepemo"]["native_share"] == 0.0
    assert figures["quantiles"]["50%"]["all_clips"] == {"sample_rate_hz": 16000, "clip_seconds": 2.0, "frames": 32000}
    assert list(figures["pitch_hz"]) == ["female", "male"]
    assert list(figures["loudness_dbfs"]) == list(EMOTIONS)
    assert figures["silent_ends_seconds"]["east"] == {"before": 0.2, "after": 0.1}
    assert figures["corpus_told_by_spectrum"]["chance"] == 0.5


def test_clips_without_a_voice_leave_no_gap_in_the_json() -> None:
    measured = made(apart_db=5.0)
    table = measured.table.assign(pitch_hz=np.where(measured.table["emotion"] == "sad", np.nan, 150.0))
    figures = explore(table, Measurements(table=table, spectra=measured.spectra), recommend(table, 0.8), pd.DataFrame())
    assert "sad" not in figures["pitch_hz"]["male"]
    json.dumps(figures, allow_nan=False)
