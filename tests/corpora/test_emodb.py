"""EmoDB: every code of its names, its boredom outside the seven, and names that must be refused."""

import re
from collections import Counter
from pathlib import Path

import pytest

from deepemo.corpora.catalogue.emodb import CORPUS
from deepemo.corpora.download.folders import find_copy
from deepemo.corpora.download.packing import take_stock
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError

# Letters by the German words: Wut, Ekel, Angst, Freude, neutral, Trauer, Langeweile.
NAMES = {
    "03a01Wa": "angry",
    "08a02Ea": "disgust",
    "09a04Ab": "fear",
    "03a01Fa": "happy",
    "10b01Na": "neutral",
    "13b10Tc": "sad",
    "16a07La": "boredom",
}


@pytest.mark.parametrize(("name", "emotion"), NAMES.items())
def test_reads_every_emotion_letter(name: str, emotion: str) -> None:
    assert CORPUS.parse(f"wav/{name}.wav").emotion == emotion


def test_knows_a_letter_for_each_emotion_but_surprise_and_boredom_besides() -> None:
    assert set(CORPUS.emotions) == {name[5] for name in NAMES}
    assert set(CORPUS.emotions.values()) == set(EMOTIONS) - {"surprise"} | {"boredom"}


def test_has_five_actresses_and_five_actors() -> None:
    assert Counter(CORPUS.genders.values()) == {"female": 5, "male": 5}
    assert [CORPUS.parse(f"{speaker}a01Fa.wav").gender for speaker in ("03", "08", "15", "16")] == [
        "male",
        "female",
        "male",
        "female",
    ]


def test_reads_speaker_and_sentence_wherever_the_file_lies() -> None:
    utterance = CORPUS.parse("wav/14b03Wa.wav")
    assert CORPUS.parse("14b03Wa.WAV") == utterance
    assert (utterance.name, utterance.speaker, utterance.is_speech) == ("14b03Wa", "14", True)
    assert utterance.sentence.startswith("An den Wochenenden")


@pytest.mark.parametrize(
    "name",
    [
        "07a01Fa",  # there is no speaker 07
        "03a01Xa",  # no emotion X
        "03a01fa",  # a lower-case letter is not an emotion
        "03a01F",  # no version
        "03c01Fa",  # texts are a and b
        "103a01Fa",  # three digits
        "x03a01Fa",
        "03a01Fa (1)",  # a second download
        "DC_a01",
    ],
)
def test_refuses_other_names(name: str) -> None:
    with pytest.raises(InputError, match=re.escape(name)):
        CORPUS.parse(f"wav/{name}.wav")


def test_is_found_as_published_and_as_kaggle_has_it(tmp_path: Path) -> None:
    for folder in ("published/emodb/wav", "kaggle/berlin-database-of-emotional-speech-emodb/wav"):
        recordings = tmp_path / folder
        recordings.mkdir(parents=True)
        for name in NAMES:
            (recordings / f"{name}.wav").write_bytes(name.encode())
        labels = recordings.parent / "labsilb"
        labels.mkdir()
        (labels / "03a01Fa.labsilb").write_text("not a recording")
    for copy in ("published", "kaggle"):
        contents = take_stock(CORPUS, find_copy(CORPUS, tmp_path / copy))
        assert [found.member for found in contents.recordings] == sorted(f"wav/{name}.wav" for name in NAMES)


@pytest.mark.corpora
def test_reads_every_published_clip(corpora_dir: Path) -> None:
    if not (corpora_dir / CORPUS.name).is_dir():
        pytest.skip(f"{corpora_dir} holds no {CORPUS.name}")
    names = [found.member for found in take_stock(CORPUS, find_copy(CORPUS, corpora_dir)).recordings]
    emotions = Counter(CORPUS.parse(name).emotion for name in names)
    assert emotions == {
        "angry": 127,
        "boredom": 81,
        "disgust": 46,
        "fear": 69,
        "happy": 71,
        "neutral": 79,
        "sad": 62,
    }
