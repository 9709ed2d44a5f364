"""Rules for every corpus of the registry, and for the one parser of names."""

import re
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepemo.corpora.definition import (
    ByHand,
    Corpus,
    Dataverse,
    Generated,
    GitFiles,
    LfsFiles,
    ZenodoRecord,
    ZipDownload,
)
from deepemo.corpora.registry import CORPORA, CORPUS_NAMES
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.params import Download
from deepemo.pipeline import load_params

every_corpus = pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPUS_NAMES)

MADE_UP = Corpus(
    name="made_up",
    title="Made up",
    language="en",
    homepage="https://corpus.example/",
    licence="CC0 1.0",
    citation="Nobody (2000). Nothing.",
    clips=4,
    size_bytes=4,
    source=Generated(),
    name_pattern=re.compile(r"(?:^|/)(?P<speaker>[A-Z]+)[/_](?P<emotion>[a-z]+)(?:-(?P<channel>\d))?$"),
    emotions={"an": "angry", "bo": "boredom"},
    other_emotions=("boredom",),
    genders={"AB": "female", "CD": "male"},
    speaker_aliases={"ABB": "AB"},
    name_repairs={"CD_angy": "CD_an"},
)


@every_corpus
def test_is_named_like_its_module(corpus: Corpus) -> None:
    assert CORPORA[corpus.name] is corpus
    assert re.fullmatch(r"[a-z][a-z0-9_]*", corpus.name)


@every_corpus
def test_says_where_it_comes_from_and_on_what_terms(corpus: Corpus) -> None:
    assert urlsplit(corpus.homepage).scheme in ("http", "https")
    assert urlsplit(corpus.homepage).hostname
    for text in (corpus.title, corpus.licence):
        assert text.strip()
    assert re.search(r"\b(19|20)\d\d\b", corpus.citation), "a citation has a year"
    assert re.fullmatch(r"[a-z]{2}", corpus.language)
    assert corpus.clips > 0
    # At least 100 ms of 8 kHz sound, at most a minute of it.
    assert 800 < corpus.size_bytes / corpus.clips < 10_000_000


@every_corpus
def test_has_a_source_that_can_be_followed(corpus: Corpus) -> None:
    source = corpus.source
    match source:
        case ZipDownload():
            addresses = [source.url]
            assert re.fullmatch(r"[0-9a-f]{32}", source.md5)
            assert source.size_bytes == corpus.size_bytes
        case ZenodoRecord():
            addresses = [source.record_url]
            assert source.archive is None or source.archive.endswith((".zip", ".rar"))
            assert source.md5 is None or re.fullmatch(r"[0-9a-f]{32}", source.md5)
        case GitFiles():
            addresses = [source.tree_url, source.file_url]
            assert "{path}" in source.file_url
        case LfsFiles():
            addresses = [source.list_url, source.pointer_url, *source.media_urls]
            assert all("{name}" in template for template in (*addresses[1:], source.member))
            assert set(source.other_names.values()) <= set(corpus.name_repairs)
        case Dataverse():
            addresses = [source.dataset_url, source.file_url]
            assert "{id}" in source.file_url
        case ByHand():
            addresses = [source.url]
            assert source.reason.split()[0] == "is", "half a sentence of which the corpus is the subject"
        case Generated():
            addresses = []
    assert all(urlsplit(address).hostname for address in addresses)
    if not isinstance(source, ByHand):
        assert all(address.startswith("https://") for address in addresses)


@every_corpus
def test_maps_codes_to_known_words(corpus: Corpus) -> None:
    inside = set(corpus.emotions.values()) & set(EMOTIONS)
    outside = set(corpus.emotions.values()) - set(EMOTIONS)
    assert "neutral" in inside
    assert len(inside) >= 5
    assert all(re.fullmatch(r"[a-z]+", word) for word in outside)
    assert len(set(corpus.emotions.values())) == len(corpus.emotions), "two codes for one emotion"
    assert set(corpus.genders.values()) <= {"female", "male"}
    assert set(corpus.speaker_aliases.values()) <= set(corpus.genders)
    assert not set(corpus.speaker_aliases) & set(corpus.genders)


@every_corpus
def test_pattern_names_its_groups_and_reads_whole_file_names(corpus: Corpus) -> None:
    groups = set(corpus.name_pattern.groupindex)
    listed = {what for table in corpus.tables if table.about == "recording" for what in table.columns}
    assert {"speaker", "emotion"} <= groups | listed
    tells_gender = {what for table in corpus.tables for what in table.columns} | groups
    assert bool(corpus.genders) != bool(corpus.gender_codes)
    assert ("gender" in tells_gender) == bool(corpus.gender_codes)
    assert set(corpus.gender_codes.values()) <= {"female", "male", ""}
    assert ("channel" in groups) == (corpus.speech_channel is not None)
    assert ("medium" in groups) == (corpus.best_medium is not None)
    assert corpus.name_pattern.pattern.startswith("(?:^|/)")
    assert corpus.name_pattern.pattern.endswith("$")


@pytest.mark.slow
@every_corpus
@given(st.text(st.sampled_from("03012aFALWDCsaX_-/. é\n"), max_size=24) | st.text(max_size=24))
def test_any_other_name_is_refused_by_name(corpus: Corpus, stem: str) -> None:
    utterance, refusal = None, ""
    try:
        utterance = corpus.parse(f"{stem}.wav")
    except InputError as error:
        refusal = str(error)
    if utterance is None:
        assert stem.rsplit("/", 1)[-1] in refusal
    else:
        assert not corpus.genders or utterance.speaker in corpus.genders


@every_corpus
@pytest.mark.parametrize("member", ["", ".wav", "/", "..", "notes.wav", "a/b/c.wav", "non_speech/1-172649-D.wav"])
def test_names_of_no_corpus_are_refused(corpus: Corpus, member: str) -> None:
    unlisted = f"|{re.escape(member)}: not listed in " if corpus.tables else ""
    unnamed = re.escape(f"{member}: not named as in {corpus.title}, expected to match")
    with pytest.raises(InputError, match=f"{unnamed}{unlisted}"):
        corpus.parse(member)


def test_no_two_corpora_read_one_name() -> None:
    names = {
        "ravdess": "03-01-06-01-02-01-12",
        "crema_d": "1001_IEO_ANG_HI",
        "tess": "OAF_back_angry",
        "savee": "DC_a01",
        "emodb": "03a01Fa",
        "synthetic": "spk03_s05_ang_t1",
        "cafe": "01-C-1-1",
        "kannada": "01-01-01",
        "subesco": "F_02_MONIKA_S_1_NEUTRAL_5",
    }
    editions = {("emodb", "emodb2")}
    for owner, name in names.items():
        for corpus in CORPORA.values():
            if corpus.name == owner:
                assert corpus.parse(name).name == name
            elif (owner, corpus.name) not in editions:
                with pytest.raises(InputError):
                    corpus.parse(name)


# A recording, others of the same performance, and others of different performances: another speaker, sentence,
# emotion, intensity or take.
PERFORMANCES = {
    "ravdess": (
        "03-01-06-01-02-01-12",
        ["Actor_12/01-01-06-01-02-01-12", "02-01-06-01-02-01-12"],
        [
            *("03-02-06-01-02-01-12", "03-01-05-01-02-01-12", "03-01-06-02-02-01-12"),
            *("03-01-06-01-01-01-12", "03-01-06-01-02-02-12", "03-01-06-01-02-01-13"),
        ],
    ),
    "crema_d": (
        "1040_ITH_SAD_XX",
        ["AudioMP3/1040_ITH_SAD_XX", "1040_ITH_SAD_X"],
        ["1041_ITH_SAD_XX", "1040_TIE_SAD_XX", "1040_ITH_FEA_XX", "1040_ITH_SAD_LO"],
    ),
    "tess": (
        "OAF_bite_neutral",
        ["OAF_neutral/OA_bite_neutral", "OAF_Bite_Neutral"],
        ["YAF_bite_neutral", "OAF_back_neutral", "OAF_bite_sad"],
    ),
    "savee": ("DC/a01", ["ALL/DC_a01", "AudioData/DC/a01"], ["JE/a01", "DC/a02", "DC/sa01"]),
    "emodb": ("03a01Fa", ["wav/03a01Fa"], ["08a01Fa", "03a02Fa", "03a01Wa", "03a01Fb"]),
    "cafe": (
        "01-C-1-1",
        ["CaFE_48k/Colère/Faible/01-C-1-1"],
        ["02-C-1-1", "01-D-1-1", "01-C-2-1", "01-C-1-2"],
    ),
    "kannada": ("01-01-01", ["audios/01-01-01"], ["02-01-01", "01-02-01", "01-01-02"]),
    "emodb2": ("03a01Fa", ["emodb_2.0/wav/03a01Fa"], ["08a01Fa", "03a02Fa", "03a01Wa", "03a01Fb"]),
    "subesco": (
        "F_02_MONIKA_S_2_SURPRISE_3",
        ["SUBESCO/F_02_MONIKA_S_2_SURPRISE_3]"],
        [
            *("F_03_MONIKA_S_2_SURPRISE_3", "M_02_MONIKA_S_2_SURPRISE_3", "F_02_MONIKA_S_1_SURPRISE_3"),
            *("F_02_MONIKA_S_2_ANGRY_3", "F_02_MONIKA_S_2_SURPRISE_4"),
        ],
    ),
    "synthetic": (
        "spk03_s05_ang_t1",
        ["spk03/spk03_s05_ang_t1"],
        ["spk04_s05_ang_t1", "spk03_s06_ang_t1", "spk03_s05_sad_t1", "spk03_s05_ang_t2"],
    ),
}


@pytest.mark.parametrize(("corpus", "named"), PERFORMANCES.items(), ids=PERFORMANCES)
def test_recordings_of_one_performance_share_it_and_no_others(
    corpus: str, named: tuple[str, list[str], list[str]]
) -> None:
    name, same, others = named
    read = CORPORA[corpus].parse
    performance = read(f"{name}.wav").performance
    assert {read(f"{each}.flac").performance for each in same} == {performance}
    assert len({read(f"{each}.wav").performance for each in others} - {performance}) == len(others)


@pytest.mark.parametrize("corpus", PERFORMANCES)
def test_a_performance_is_the_name_of_a_recording_of_it(corpus: str) -> None:
    name, same, _ = PERFORMANCES[corpus]
    for each in (name, *same):
        performance = CORPORA[corpus].parse(f"{each}.wav").performance
        preferred = CORPORA[corpus].parse(f"{performance}.wav")
        assert preferred.name == preferred.performance == performance


def test_the_medium_tells_recordings_of_a_performance_apart() -> None:
    filmed = replace(
        MADE_UP,
        name_pattern=re.compile(r"(?:^|/)(?P<medium>[12])(?P<speaker>[A-Z]+)[/_](?P<emotion>[a-z]+)$"),
        best_medium="2",
    )
    assert [filmed.parse(f"{medium}AB_an.wav").name for medium in "12"] == ["1AB_an", "2AB_an"]
    assert {filmed.parse(f"{medium}AB_an.wav").performance for medium in "12"} == {"2AB_an"}


def test_params_take_the_names_of_the_registry() -> None:
    download, known = load_params().download.model_dump(), {"corpora": CORPUS_NAMES}
    every = Download.model_validate({**download, "corpora": list(CORPUS_NAMES)}, context=known)
    assert every.corpora == list(CORPUS_NAMES)
    with pytest.raises(ValueError, match="emodb"):
        Download.model_validate({**download, "corpora": ["emo_db"]}, context=known)


def test_registry_finds_the_five_published_corpora_and_the_embedded_one() -> None:
    assert set(CORPUS_NAMES) >= {"synthetic", "ravdess", "crema_d", "tess", "savee", "emodb"}


def test_registry_has_the_corpora_of_seven_more_studios() -> None:
    more = {name: CORPORA[name].language for name in ("cafe", "oreau", "subesco", "nemo", "emozionalmente", "kannada")}
    assert more == {
        "cafe": "fr", "oreau": "fr", "subesco": "bn", "nemo": "pl", "emozionalmente": "it", "kannada": "kn"
    }  # fmt: skip
    assert CORPORA["emodb2"].clips - CORPORA["emodb"].clips == 281


def test_a_misspelt_emotion_is_refused_and_not_taken_for_a_word_of_the_corpus() -> None:
    with pytest.raises(InputError, match=r"made_up: emotions: found 'anger' for the code 'an', .*'angry'.*boredom"):
        replace(MADE_UP, emotions={"an": "anger", "bo": "boredom"})
    with pytest.raises(InputError, match=r"found 'boredom' for the code 'bo', .* other_emotions \[\]"):
        replace(MADE_UP, other_emotions=())


@pytest.mark.parametrize("word", ["bordom", "angry"])
def test_other_emotions_are_outside_the_seven_and_have_a_code(word: str) -> None:
    with pytest.raises(InputError, match=rf"other_emotions: found '{word}', expected .*: \['boredom'\]"):
        replace(MADE_UP, other_emotions=("boredom", word))


def test_reads_a_name_by_codes_alone_never_by_the_folder_it_lies_in() -> None:
    assert MADE_UP.parse("bo/CD_an.wav").emotion == "angry"
    assert MADE_UP.parse("AB/an.WAV").name == MADE_UP.parse("deep/er/AB_an.wav").name == "AB_an"


def test_unknown_codes_are_named_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match=r"EF_an: unknown speaker 'EF', expected one of \['AB', 'ABB', 'CD'\]"):
        MADE_UP.parse("EF_an.wav")
    with pytest.raises(InputError, match=r"AB_xx: unknown emotion 'xx', expected one of \['an', 'bo'\]"):
        MADE_UP.parse("AB_xx.wav")


def test_case_counts_unless_the_pattern_ignores_it() -> None:
    with pytest.raises(InputError):
        MADE_UP.parse("ab_an.wav")
    both_cases = replace(MADE_UP, name_pattern=re.compile(r"(?:^|/)(?P<speaker>[A-Za-z]+)_(?P<emotion>[a-z]+)$"))
    with pytest.raises(InputError, match="unknown speaker 'ab'"):
        both_cases.parse("ab_an.wav")
    lenient = replace(MADE_UP, name_pattern=re.compile(MADE_UP.name_pattern.pattern, re.IGNORECASE))
    assert lenient.parse("ab_AN.wav") == MADE_UP.parse("AB_an.wav")


def test_repairs_are_on_record_and_lead_to_the_canonical_name() -> None:
    sound = MADE_UP.parse("CD_an.wav")
    assert sound.repairs == ()
    assert MADE_UP.parse("x/CD_angy.wav") == replace(sound, repairs=("file_name",))
    assert MADE_UP.parse("ABB/bo.wav") == replace(MADE_UP.parse("AB_bo.wav"), repairs=("speaker_code",))


def test_speech_is_what_the_channel_says_and_else_everything() -> None:
    assert MADE_UP.parse("AB_an-2.wav").is_speech
    sung = replace(MADE_UP, speech_channel="1")
    assert [sung.parse(f"AB_an{channel}.wav").is_speech for channel in ("-1", "-2", "")] == [True, False, False]
