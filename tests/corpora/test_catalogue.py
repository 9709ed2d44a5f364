"""What the names of each corpus say, by the corpora's own descriptions; and that every real recording is read."""

from collections import Counter
from pathlib import Path

import pytest

from deepemo.corpora.catalogue.savee import CORPUS as SAVEE
from deepemo.corpora.catalogue.tess import CORPUS as TESS
from deepemo.corpora.definition import Utterance
from deepemo.corpora.download.folders import find_copy
from deepemo.corpora.download.packing import take_stock
from deepemo.corpora.registry import CORPORA
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError

# corpus, member: speaker, gender, emotion, intensity, sentence
EXAMPLES = {
    ("ravdess", "Actor_12/03-01-06-01-02-01-12.wav"): (
        ("12", "female", "fear", "normal", "Dogs are sitting by the door.")
    ),
    ("ravdess", "03-01-01-01-01-02-01.wav"): ("01", "male", "neutral", "normal", "Kids are talking by the door."),
    ("ravdess", "x/y/Actor_23/03-01-08-02-01-01-23.WAV"): (
        ("23", "male", "surprise", "strong", "Kids are talking by the door.")
    ),
    ("ravdess", "03-01-05-02-02-02-24.wav"): ("24", "female", "angry", "strong", "Dogs are sitting by the door."),
    ("ravdess", "03-01-07-01-01-01-03.wav"): ("03", "male", "disgust", "normal", "Kids are talking by the door."),
    ("ravdess", "03-01-03-01-01-01-03.wav"): ("03", "male", "happy", "normal", "Kids are talking by the door."),
    ("ravdess", "03-01-04-01-01-01-03.wav"): ("03", "male", "sad", "normal", "Kids are talking by the door."),
    ("crema_d", "AudioWAV/1001_IEO_ANG_HI.wav"): ("1001", "male", "angry", "high", "It's eleven o'clock."),
    ("crema_d", "1002_MTI_DIS_XX.wav"): ("1002", "female", "disgust", "unspecified", "Maybe tomorrow it will be cold."),
    ("crema_d", "1091_IEO_FEA_LO.wav"): ("1091", "female", "fear", "low", "It's eleven o'clock."),
    ("crema_d", "1090_IEO_HAP_MD.wav"): ("1090", "male", "happy", "medium", "It's eleven o'clock."),
    ("crema_d", "1089_DFA_NEU_XX.wav"): ("1089", "female", "neutral", "unspecified", "Don't forget a jacket."),
    ("crema_d", "1011_WSI_SAD_XX.wav"): (("1011", "male", "sad", "unspecified", "We'll stop in a couple of minutes.")),
    ("tess", "OAF_angry/OAF_back_angry.wav"): ("OAF", "female", "angry", "", "back"),
    ("tess", "YAF_pleasant_surprised/YAF_youth_ps.wav"): ("YAF", "female", "surprise", "", "youth"),
    ("tess", "OAF_food_fear.wav"): ("OAF", "female", "fear", "", "food"),
    ("tess", "YAF_germ_disgust.wav"): ("YAF", "female", "disgust", "", "germ"),
    ("tess", "YAF_germ_happy.wav"): ("YAF", "female", "happy", "", "germ"),
    ("tess", "YAF_germ_neutral.wav"): ("YAF", "female", "neutral", "", "germ"),
    ("tess", "YAF_germ_sad.wav"): ("YAF", "female", "sad", "", "germ"),
    ("savee", "AudioData/DC/a01.wav"): ("DC", "male", "angry", "", "a01"),
    ("savee", "AudioData/JE/d15.wav"): ("JE", "male", "disgust", "", "d15"),
    ("savee", "AudioData/JK/f03.wav"): ("JK", "male", "fear", "", "f03"),
    ("savee", "AudioData/KL/h07.wav"): ("KL", "male", "happy", "", "h07"),
    ("savee", "AudioData/KL/n30.wav"): ("KL", "male", "neutral", "", "n30"),
    ("savee", "ALL/JE_sa09.wav"): ("JE", "male", "sad", "", "sa09"),
    ("savee", "ALL/JK_su02.wav"): ("JK", "male", "surprise", "", "su02"),
    ("emodb", "wav/03a01Fa.wav"): ("03", "male", "happy", "", "Der Lappen liegt auf dem Eisschrank."),
    ("emodb", "wav/16a07Wb.wav"): ("16", "female", "angry", "", "In sieben Stunden wird es soweit sein."),
    ("emodb", "wav/16a07Eb.wav"): ("16", "female", "disgust", "", "In sieben Stunden wird es soweit sein."),
    ("emodb", "wav/16a07Ab.wav"): ("16", "female", "fear", "", "In sieben Stunden wird es soweit sein."),
    ("emodb", "wav/16a07Nb.wav"): ("16", "female", "neutral", "", "In sieben Stunden wird es soweit sein."),
    ("emodb", "wav/16a07Tb.wav"): ("16", "female", "sad", "", "In sieben Stunden wird es soweit sein."),
    ("synthetic", "spk03_s05_ang_t1.wav"): ("spk03", "female", "angry", "", "We will meet at the corner."),
    ("synthetic", "spk02_s01_dis_t1.wav"): ("spk02", "male", "disgust", "", "The train leaves at seven."),
    ("synthetic", "spk02_s01_fea_t1.wav"): ("spk02", "male", "fear", "", "The train leaves at seven."),
    ("synthetic", "spk02_s01_hap_t1.wav"): ("spk02", "male", "happy", "", "The train leaves at seven."),
    ("synthetic", "spk02_s01_neu_t1.wav"): ("spk02", "male", "neutral", "", "The train leaves at seven."),
    ("synthetic", "spk02_s01_sad_t1.wav"): ("spk02", "male", "sad", "", "The train leaves at seven."),
    ("synthetic", "spk02_s01_sur_t2.wav"): ("spk02", "male", "surprise", "", "The train leaves at seven."),
}

WRONG = {
    "ravdess": [
        "03-01-09-01-02-01-12",  # there is no emotion 09
        "03-01-00-01-02-01-12",
        "03-01-06-01-02-01-25",  # 24 actors
        "03-01-06-01-02-01",
        "03-01-06-01-02-01-12-01",
        "03-01-06-01-02-01-12 (1)",
        "103-01-06-01-02-01-12",
    ],
    "crema_d": [
        "1001_IEO_SUR_HI",  # nobody is surprised in CREMA-D
        "1092_IEO_ANG_HI",
        "1000_IEO_ANG_HI",
        "1001_IEO_ANG",
        "1001_IEO_ANG_H",
        "1001_ieo_ang_hi",
        "11001_IEO_ANG_HI",
    ],
    "tess": ["OAF_back_calm", "MAF_back_angry", "OAF_back", "OAF_angry", "OAF_back_angry_2", "O_back_angry"],
    "savee": [
        "DC_x01",
        "AB_a01",
        "a01",  # whose it is stands in the folder's name, and there is none
        "DC_a1",
        "DC_a001",
        "dc_a01",
        "XDC_a01",
    ],
    "synthetic": ["spk17_s01_ang_t1", "spk00_s01_ang_t1", "spk01_s01_xxx_t1", "spk01_s01_ang", "spk1_s01_ang_t1"],
}

# Of the real recordings at hand, as DEEPEMO_CORPORA holds them.
MARKED = {"ravdess": 1200, "crema_d": 5886, "tess": 2254, "savee": 360}


def parse(corpus: str, member: str) -> Utterance:
    return CORPORA[corpus].parse(member)


@pytest.mark.parametrize(("example", "expected"), EXAMPLES.items(), ids=["/".join(example) for example in EXAMPLES])
def test_reads_what_a_name_says(example: tuple[str, str], expected: tuple[str, ...]) -> None:
    said = parse(*example)
    assert (said.speaker, said.gender, said.emotion, said.intensity, said.sentence) == expected
    assert said.is_speech
    assert said.repairs == ()


@pytest.mark.parametrize("corpus", sorted({corpus for corpus, _ in EXAMPLES}))
def test_examples_hold_every_one_of_the_seven_that_the_corpus_has(corpus: str) -> None:
    shown = {expected[2] for (name, _), expected in EXAMPLES.items() if name == corpus}
    assert shown == set(CORPORA[corpus].emotions.values()) & set(EMOTIONS)


@pytest.mark.parametrize(("corpus", "name"), [(corpus, name) for corpus, names in WRONG.items() for name in names])
def test_refuses_a_wrong_name_and_says_it(corpus: str, name: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse(corpus, f"{name}.wav")
    assert name in str(refusal.value)
    assert "expected" in str(refusal.value)


def test_songs_of_ravdess_are_not_speech() -> None:
    song = parse("ravdess", "Actor_12/03-02-06-01-02-01-12.wav")
    assert not song.is_speech
    assert (song.emotion, song.gender) == ("fear", "female")


@pytest.mark.parametrize(
    ("corpus", "member", "word"),
    [
        ("ravdess", "03-01-02-01-01-01-05.wav", "calm"),
        ("emodb", "03a01La.wav", "boredom"),
        ("synthetic", "spk01_s01_cal_t1.wav", "calm"),
    ],
)
def test_emotions_outside_the_seven_keep_their_own_word(corpus: str, member: str, word: str) -> None:
    assert parse(corpus, member).emotion == word
    assert word not in EMOTIONS


def test_half_the_actors_of_ravdess_are_women_and_43_of_the_91_of_crema_d() -> None:
    genders = {name: Counter(CORPORA[name].genders.values()) for name in ("ravdess", "crema_d", "tess", "savee")}
    assert genders == {
        "ravdess": {"female": 12, "male": 12},
        "crema_d": {"female": 43, "male": 48},
        "tess": {"female": 2},
        "savee": {"male": 4},
    }


def test_the_mistyped_speaker_of_tess_is_mended_and_on_record() -> None:
    mended = parse("tess", "OAF_neutral/OA_bite_neutral.wav")
    assert (mended.name, mended.speaker, mended.repairs) == ("OAF_bite_neutral", "OAF", ("speaker_code",))


@pytest.mark.parametrize("member", ["YAF_Fear/YAF_home_fear.wav", "OAF_Pleasant_surprise/yaf_home_Fear.WAV"])
def test_tess_is_read_in_either_case_and_whatever_the_folder(member: str) -> None:
    said = TESS.parse(member)
    assert (said.speaker, said.emotion, said.sentence) == ("YAF", "fear", "home")
    assert said.name == "YAF_home_fear"


def test_savee_has_the_same_names_in_both_layouts() -> None:
    for speaker in SAVEE.genders:
        for code in ("a01", "d02", "f03", "h04", "n30", "sa05", "su06"):
            official, kaggle = (SAVEE.parse(f"{path}.wav") for path in (f"{speaker}/{code}", f"ALL/{speaker}_{code}"))
            assert official == kaggle
            assert official.name == f"{speaker}_{code}"


def test_the_misnamed_clip_of_crema_d_gets_its_name_back() -> None:
    mended = parse("crema_d", "AudioWAV/1040_ITH_SAD_X.wav")
    assert mended.repairs == ("file_name",)
    sound = parse("crema_d", "AudioWAV/1040_ITH_SAD_XX.wav")
    assert (mended.name, mended.emotion, mended.intensity) == (sound.name, "sad", "unspecified")


@pytest.mark.corpora
@pytest.mark.parametrize(("corpus", "clips"), MARKED.items())
def test_reads_every_real_recording(corpora_dir: Path, corpus: str, clips: int) -> None:
    contents = take_stock(CORPORA[corpus], find_copy(CORPORA[corpus], corpora_dir))
    said = [parse(corpus, found.member) for found in contents.recordings]
    assert len(said) == clips
    assert len({utterance.name for utterance in said}) == clips
    assert all(utterance.is_speech for utterance in said)
    assert {utterance.emotion for utterance in said} == set(CORPORA[corpus].emotions.values())
