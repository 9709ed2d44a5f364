"""Names of each corpus, read as in the corpora's own descriptions; and every real recording is read."""

from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from deepemo.corpora.catalogue.savee import CORPUS as SAVEE
from deepemo.corpora.catalogue.tess import CORPUS as TESS
from deepemo.corpora.definition import Utterance
from deepemo.corpora.download.folders import find_copy, read_beside
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
    ("emodb2", "wav/03a01Fa.wav"): ("03", "male", "happy", "", "Der Lappen liegt auf dem Eisschrank."),
    ("emodb2", "wav/16a07Wb.wav"): ("16", "female", "angry", "", "In sieben Stunden wird es soweit sein."),
    ("emodb2", "wav/16a07Eb.wav"): ("16", "female", "disgust", "", "In sieben Stunden wird es soweit sein."),
    ("emodb2", "wav/16a07Ab.wav"): ("16", "female", "fear", "", "In sieben Stunden wird es soweit sein."),
    ("emodb2", "wav/16a07Nb.wav"): ("16", "female", "neutral", "", "In sieben Stunden wird es soweit sein."),
    ("emodb2", "wav/16a07Tb.wav"): ("16", "female", "sad", "", "In sieben Stunden wird es soweit sein."),
    ("cafe", "Colère/Faible/01-C-1-1.wav"): ("01", "male", "angry", "weak", "1"),
    ("cafe", "Dégoût/Fort/02-D-2-6.wav"): ("02", "female", "disgust", "strong", "6"),
    ("cafe", "Peur/Fort/11-P-2-3.aiff"): ("11", "male", "fear", "strong", "3"),
    ("cafe", "Joie/Faible/12-J-1-4.wav"): ("12", "female", "happy", "weak", "4"),
    ("cafe", "Neutre/07-N-1-5.wav"): ("07", "male", "neutral", "weak", "5"),
    ("cafe", "Tristesse/Fort/08-T-2-2.wav"): ("08", "female", "sad", "strong", "2"),
    ("cafe", "Surprise/Faible/03-S-1-1.wav"): ("03", "male", "surprise", "weak", "1"),
    ("oreau", "OreauFR_02/m/31/31a06Ja.wav"): ("31", "male", "happy", "", "06"),
    ("oreau", "f/02a12Cb.wav"): ("02", "female", "angry", "", "12"),
    ("oreau", "m/05/05a01Da.wav"): ("05", "male", "disgust", "", "01"),
    ("oreau", "m/05/05a01Pa.wav"): ("05", "male", "fear", "", "01"),
    ("oreau", "m/05/05a01Na.wav"): ("05", "male", "neutral", "", "01"),
    ("oreau", "m/05/05a01Ta.wav"): ("05", "male", "sad", "", "01"),
    ("oreau", "m/05/05a01Sa.wav"): ("05", "male", "surprise", "", "01"),
    **{
        ("subesco", f"SUBESCO/{voice}_S_10_{emotion.upper()}_5.wav"): (voice, gender, emotion, "", "10")
        for voice, gender in (("F_02_MONIKA", "female"), ("M_01_X", "male"))
        for emotion in EMOTIONS
    },
    ("nemo", "samples/EB0_anger_1.wav"): ("EB0", "female", "angry", "", "Lubię czytać przed snem."),
    ("nemo", "EB0_fear_1.wav"): ("EB0", "female", "fear", "", "Lubię czytać przed snem."),
    ("nemo", "samples/KS0_happiness_90.wav"): ("KS0", "male", "happy", "", "„Ród smoka”, serial"),
    ("nemo", "samples/KS0_neutral_90.wav"): ("KS0", "male", "neutral", "", "„Ród smoka”, serial"),
    ("nemo", "samples/KS0_sadness_90.wav"): ("KS0", "male", "sad", "", "„Ród smoka”, serial"),
    ("nemo", "samples/KS0_surprised_90.wav"): ("KS0", "male", "surprise", "", "„Ród smoka”, serial"),
    ("emozionalmente", "emozionalmente_dataset/audio/1.wav"): ("anna", "female", "angry", "", "Oggi piove."),
    ("emozionalmente", "audio/2.wav"): ("anna", "female", "disgust", "", "Oggi piove."),
    ("emozionalmente", "audio/3.wav"): ("anna", "female", "fear", "", "Oggi piove."),
    ("emozionalmente", "audio/4.wav"): ("luca", "male", "happy", "", "Oggi piove."),
    ("emozionalmente", "audio/5.wav"): ("luca", "male", "neutral", "", "Oggi piove."),
    ("emozionalmente", "audio/6.wav"): ("luca", "male", "sad", "", "Oggi piove."),
    ("emozionalmente", "audio/7.wav"): ("sam", "", "surprise", "", "Oggi piove."),
    ("kannada", "01-01-01.wav"): ("01", "female", "angry", "", "01"),
    ("kannada", "04-02-06.wav"): ("04", "male", "sad", "", "06"),
    ("kannada", "06-03-02.wav"): ("06", "male", "surprise", "", "02"),
    ("kannada", "11-04-03.wav"): ("11", "female", "happy", "", "03"),
    ("kannada", "12-05-04.wav"): ("12", "male", "fear", "", "04"),
    ("kannada", "13-06-05.wav"): ("13", "male", "neutral", "", "05"),
    ("synthetic", "spk03_s05_ang_t1.wav"): ("spk03", "female", "angry", "", "We will meet at the corner."),
    ("synthetic", "spk02_s01_dis_t1.wav"): ("spk02", "male", "disgust", "", "The train leaves at seven."),
    ("synthetic", "spk02_s01_fea_t1.wav"): ("spk02", "male", "fear", "", "The train leaves at seven."),
    ("synthetic", "spk02_s01_hap_t1.wav"): ("spk02", "male", "happy", "", "The train leaves at seven."),
    ("synthetic", "spk02_s01_neu_t1.wav"): ("spk02", "male", "neutral", "", "The train leaves at seven."),
    ("synthetic", "spk02_s01_sad_t1.wav"): ("spk02", "male", "sad", "", "The train leaves at seven."),
    ("synthetic", "spk02_s01_sur_t2.wav"): ("spk02", "male", "surprise", "", "The train leaves at seven."),
}

# Tables beside the recordings, in the layout of the published ones.
NEMO_ROWS = [
    *(("EB0", "female", code, 1, "Lubię czytać przed snem.") for code in ("anger", "fear")),
    *(("KS0", "male", code, 90, "„Ród smoka”, serial") for code in ("happiness", "neutral", "sadness", "surprised")),
]
TABLES = {
    "nemo": {
        "data.tsv": "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
        + "".join(
            f"{speaker}_{code}_{number}.wav\t{code}\t{text}\t-\t        {speaker}\t{gender}\t27\n"
            for speaker, gender, code, number, text in NEMO_ROWS
        )
    },
    "emozionalmente": {
        "metadata/samples.csv": "file_name,actor,emotion_expressed,sentence\n"
        + "".join(
            f"{number}.wav,{actor},{word},Oggi piove.\n"
            for number, (actor, word) in enumerate(
                [
                    *(("anna", "anger"), ("anna", "disgust"), ("anna", "fear"), ("luca", "joy")),
                    *(("luca", "neutrality"), ("luca", "sadness"), ("sam", "surprise")),
                ],
                start=1,
            )
        ),
        "metadata/users.csv": "username,gender,age\nanna,female,30\nluca,male,41\nsam,other,20\n",
        "metadata/evaluations.csv": "file_name,evaluator,emotion_recognized\n"
        "4.wav,a,joy\n4.wav,b,joy\n4.wav,c,surprise\n4.wav,d,joy\n4.wav,e,neutrality\n",
    },
    "crema_d": {
        "processedResults/tabulatedVotes.csv": '"","A","D","F","H","N","S","fileName","numResponses"\n'
        '"100002",0,0,0,3,6,0,"1001_IEO_HAP_LO",9\n'
        '"200002",0,0,0,9,0,0,"1001_IEO_HAP_LO",9\n'
        '"300002",0,0,0,8,0,1,"1001_IEO_HAP_LO",9\n'
    },
}

WRONG = {
    "cafe": ["13-C-1-1", "01-X-1-1", "01-C-3-1", "01-C-1-7", "1-C-1-1", "01-C-1"],
    "oreau": ["m/31a06Xa", "31a06Ja", "x/31a06Ja", "m/31b06Ja", "m/131a06Ja"],
    "subesco": [
        "F_02_MONIKA_S_1_CALM_5",
        "X_02_MONIKA_S_1_SAD_5",
        "F_02_MONIKA_S_1_SAD",
        "F_02_MONIKA_S_2_SURPRISE_4]",
    ],
    "kannada": ["14-01-01", "00-01-01", "01-07-01", "01-01-07", "01-01"],
    "emodb2": ["17a01Fa", "03a01Xa"],
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
        "a01",  # the speaker is the name of the folder, and there is none
        "DC_a1",
        "DC_a001",
        "dc_a01",
        "XDC_a01",
    ],
    "synthetic": ["spk17_s01_ang_t1", "spk00_s01_ang_t1", "spk01_s01_xxx_t1", "spk01_s01_ang", "spk1_s01_ang_t1"],
}

# For the real recordings that DEEPEMO_CORPORA holds.
MARKED = {"ravdess": 1200, "crema_d": 5886, "tess": 2254, "savee": 360, "nemo": 2863}


def read_table(corpus: str, path: str) -> bytes | None:
    text = TABLES.get(corpus, {}).get(path)
    return None if text is None else text.encode()


def parse(corpus: str, member: str) -> Utterance:
    return CORPORA[corpus].with_labels(partial(read_table, corpus)).parse(member)


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
    places = find_copy(CORPORA[corpus], corpora_dir)
    contents, labelled = take_stock(CORPORA[corpus], places), CORPORA[corpus].with_labels(read_beside(places))
    said = [labelled.parse(found.member) for found in contents.recordings]
    assert len(said) == clips
    assert len({utterance.name for utterance in said}) == clips
    assert all(utterance.is_speech for utterance in said)
    assert {utterance.emotion for utterance in said} == set(CORPORA[corpus].emotions.values())


def test_what_listeners_of_crema_d_heard_in_the_voice_alone_is_the_agreement() -> None:
    assert parse("crema_d", "AudioWAV/1001_IEO_HAP_LO.wav").agreement == pytest.approx(3 / 9)
    assert parse("crema_d", "AudioWAV/1001_IEO_HAP_MD.wav").agreement is None


def test_each_answer_of_a_listener_of_emozionalmente_counts() -> None:
    assert parse("emozionalmente", "audio/4.wav").agreement == pytest.approx(3 / 5)
    assert parse("emozionalmente", "audio/5.wav").agreement is None


def test_a_recording_that_a_required_table_does_not_list_is_refused() -> None:
    with pytest.raises(InputError, match=r"audio/8\.wav: not listed in metadata/samples\.csv of Emozionalmente"):
        parse("emozionalmente", "audio/8.wav")
    with pytest.raises(InputError, match=r"ZZ0_anger_1\.wav: not listed in data\.tsv of nEMO"):
        parse("nemo", "samples/ZZ0_anger_1.wav")


def test_without_its_table_nemo_is_not_read() -> None:
    with pytest.raises(InputError, match=r"data\.tsv: no such file beside the recordings"):
        CORPORA["nemo"].with_labels(lambda path: None)


def test_the_stray_bracket_in_a_name_of_subesco_is_mended_and_on_record() -> None:
    mended = parse("subesco", "SUBESCO/F_02_MONIKA_S_2_SURPRISE_3].wav")
    assert (mended.name, mended.repairs) == ("F_02_MONIKA_S_2_SURPRISE_3", ("file_name",))
