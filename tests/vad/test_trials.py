import io
import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from deepemo.audio.perturb.levels import to_16_bits
from deepemo.audio.samples import at_level, measure_levels, rms
from deepemo.corpora.archive import Archive
from deepemo.errors import InputError
from deepemo.pipeline import load_params
from deepemo.vad.stimuli import FIRST_LEARNED, KINDS, make_sound
from deepemo.vad.trials import (
    CONDITIONS,
    LEVELS_DBFS,
    NOISE_SLOPES,
    SNRS_DB,
    NonSpeech,
    Trial,
    choose_clips,
    is_held_out,
    made_sound_trials,
    speech_trials,
)

ROOT = Path(__file__).parents[2]
RATE_HZ = 48_000


def wav() -> bytes:
    file = io.BytesIO()
    tone = 0.2 * np.sin(2 * np.pi * 300 * np.arange(RATE_HZ) / RATE_HZ)
    soundfile.write(file, np.stack([tone, tone], axis=1), RATE_HZ, format="WAV")
    return file.getvalue()


@pytest.fixture
def trials(tmp_path: Path) -> dict[str, Trial]:
    """The conditions of one clip, a tone of 300 Hz."""
    with zipfile.ZipFile(tmp_path / "toy.zip", "w") as archive:
        archive.writestr("a.wav", wav())
    clips = pd.DataFrame({"corpus": ["toy"], "member": ["a.wav"], "emotion": ["sad"], "gender": ["male"]})
    played = list(speech_trials(clips, {"toy": Archive(tmp_path / "toy.zip")}, seed=1))
    assert all({"corpus": "toy", "emotion": "sad", "gender": "male"}.items() <= dict(t.labels).items() for t in played)
    return {trial.labels["condition"]: trial for trial in played}


def test_a_clip_is_played_in_every_condition_once(trials: dict[str, Trial]) -> None:
    assert len(trials) == CONDITIONS == 1 + len(LEVELS_DBFS) + len(NOISE_SLOPES) * len(SNRS_DB)
    assert all(len(trial.samples) == 16_000 for trial in trials.values())


@pytest.mark.parametrize("level_dbfs", LEVELS_DBFS)
def test_levels_are_reached_and_rounded_to_16_bits(trials: dict[str, Trial], level_dbfs: int) -> None:
    samples = trials[f"level_{level_dbfs}_dbfs"].samples
    assert measure_levels(samples).rms_dbfs == pytest.approx(level_dbfs, abs=0.05)
    np.testing.assert_array_equal(samples * 32768, np.round(samples * 32768))


@pytest.mark.parametrize("colour", NOISE_SLOPES)
@pytest.mark.parametrize("snr_db", SNRS_DB)
def test_noise_is_as_loud_as_its_ratio_says(trials: dict[str, Trial], colour: str, snr_db: int) -> None:
    voice = trials["as_recorded"].samples
    mixed = trials[f"{colour}_noise_{snr_db}_db"].samples
    # The part of the mix that is the voice, by projection; the rest is noise.
    part = voice * (mixed @ voice / (voice @ voice))
    assert 20 * np.log10(rms(part) / rms(mixed - part)) == pytest.approx(snr_db, abs=0.5)


def test_figures_are_taken_on_speakers_held_out() -> None:
    speakers = [f"corpus/{number:03d}" for number in range(60)]
    table = pd.DataFrame({"clip": [f"{name}/{n}" for name in speakers for n in range(5)]})
    table["speaker"] = table["clip"].str.rsplit("/", n=1).str[0]
    chosen = choose_clips(table, 50, seed=7)
    assert len(chosen) == 50
    assert chosen["speaker"].map(is_held_out).all()
    assert chosen["clip"].is_monotonic_increasing
    pd.testing.assert_frame_equal(chosen, choose_clips(table, 50, seed=7))
    assert set(choose_clips(table, 50, seed=8)["clip"]) != set(chosen["clip"])
    everyone = choose_clips(table, 10_000, seed=7)["speaker"].nunique()
    assert 20 < everyone < 40  # about half of 60


def test_where_no_speaker_is_held_out_all_are_heard() -> None:
    speaker = next(name for name in map(str, range(99)) if not is_held_out(name))
    table = pd.DataFrame({"clip": ["a", "b"], "speaker": [speaker, speaker]})
    assert len(choose_clips(table, 10, seed=0)) == 2


def test_sounds_cut_from_one_recording_are_held_out_together(tmp_path: Path) -> None:
    for source in range(30):
        for take in "ABC":
            path = tmp_path / "rain" / f"1-{source}-{take}.wav"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(wav())
    played = list(NonSpeech(tmp_path))
    assert {trial.labels["class"] for trial in played} == {"rain"}
    assert len(played) % 3 == 0
    assert 15 < len(played) < 75


def test_a_folder_without_recordings_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gate\.non_speech_dir: .*nowhere: no such folder"):
        list(NonSpeech(tmp_path / "nowhere"))
    (tmp_path / "notes.txt").write_text("no recording")
    with pytest.raises(InputError, match=r"gate\.non_speech_dir: .* holds no recordings"):
        list(NonSpeech(tmp_path))


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0a" * 32 + "\nsize 98254\n"
BAD = {
    "not sound": b"a line of text",
    "cut in its header": wav()[:20],
    "empty": b"",
    "without samples": wav()[:44],
    "a pointer": POINTER.encode(),
}


@pytest.mark.slow
@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_a_bad_file_is_counted_and_ends_nothing(tmp_path: Path, content: bytes) -> None:
    for number in range(20):
        (tmp_path / f"{number}-good.wav").write_bytes(wav())
        (tmp_path / f"{number}-bad.wav").write_bytes(content)
    sounds = NonSpeech(tmp_path)
    played = len(list(sounds))
    assert played == sum(is_held_out(f"{tmp_path.name}{number}-good") for number in range(20))
    assert len(sounds.left_out) == sum(is_held_out(f"{tmp_path.name}{number}-bad") for number in range(20))
    assert all("-bad.wav" in reason for reason in sounds.left_out)
    assert len(list(sounds)) == played, "it can be played again"


def test_hidden_files_are_nobodys_recording(tmp_path: Path) -> None:
    for name in ("rain/._1.wav", "__MACOSX/rain/2.wav", ".git/3.wav", "rain/Thumbs.db", "rain/.DS_Store"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"no sound")
    with pytest.raises(InputError, match="holds no recordings"):
        list(NonSpeech(tmp_path))
    (tmp_path / "rain" / "1.wav").write_bytes(wav())
    sounds = NonSpeech(tmp_path)
    assert [trial.labels["class"] for trial in sounds] == ["rain"]
    assert sounds.left_out == []


def test_a_few_recordings_none_of_them_held_out_are_all_played(tmp_path: Path) -> None:
    number = next(n for n in range(99) if not is_held_out(f"{tmp_path.name}{n}"))
    (tmp_path / f"{number}.wav").write_bytes(wav())
    assert len(list(NonSpeech(tmp_path))) == 1


def test_a_folder_of_nothing_but_bad_files_is_an_error_that_names_one(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"a line of text")
    with pytest.raises(InputError, match=r"none of 1 recordings in .* can be read, such as .*a\.wav: not a sound file"):
        list(NonSpeech(tmp_path))


def test_names_that_are_no_text_are_played_under_a_name_that_is(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"pluie \xe9t\xe9\r")
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.wav").write_bytes(wav())
    assert {trial.labels["class"] for trial in NonSpeech(tmp_path)} == {"pluie %E9t%E9%0D"}


@pytest.mark.slow
def test_made_sounds_are_played_loud_and_quiet() -> None:
    played = list(made_sound_trials(2, seed=3))
    assert Counter(trial.labels["kind"] for trial in played) == dict.fromkeys(KINDS, 4)
    assert Counter(trial.labels["condition"] for trial in played) == {
        "level_-20_dbfs": 2 * len(KINDS),
        "level_-40_dbfs": 2 * len(KINDS),
    }


def test_the_sounds_that_training_may_learn_from_are_never_measured() -> None:
    made_sounds = load_params(ROOT / "params.yaml").gate.made_sounds
    assert made_sounds <= FIRST_LEARNED
    measured = {trial.samples.tobytes() for trial in made_sound_trials(2, seed=3)}
    learned = make_sound("tone", variant=FIRST_LEARNED, seed=3)
    assert to_16_bits(at_level(learned, LEVELS_DBFS[0])).tobytes() not in measured
