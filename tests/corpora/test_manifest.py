"""A user's own corpus: a folder and its manifest, with a table, a pattern or audformat's header for the labels."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from deepemo.audio.io.decode import read_recording
from deepemo.corpora.archive import Archive
from deepemo.corpora.download.acquire import acquire
from deepemo.corpora.download.own import find_corpus, own_corpus, own_names, source_dir_of
from deepemo.corpora.registry import corpus_in
from deepemo.dataset.validate import find_archives, validate_recordings
from deepemo.errors import InputError
from deepemo.pipeline import load_params

HEAD = "title: Calls\nlicence: ours\nlanguage: pl\n"
TABLE = "file,emotion,speaker,gender\na.wav,angry,ann,female\nsub/b.flac,joy,bob,M\nc.ogg,bored,ann,female\n"
WORDS = "table: labels.csv\nemotions: {joy: happy, bored: other}\n"

MakeFolder = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> MakeFolder:
    """Makes a folder of a corpus: its manifest, its recordings, and other files by name."""

    def make(manifest: str, recordings: tuple[str, ...] = ("a.wav", "sub/b.flac", "c.ogg"), **files: str) -> Path:
        folder = tmp_path / "corpora" / "calls"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "corpus.yaml").write_text(HEAD + manifest, encoding="utf-8")
        for name, text in {"labels__csv": TABLE, **files}.items():
            (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
        for number, name in enumerate(recordings):
            (folder / name).parent.mkdir(exist_ok=True)
            tone = np.sin(2 * np.pi * (200 + 50 * number) * np.arange(16_000) / 16_000)
            soundfile.write(folder / name, 0.3 * tone, 16_000)
        return folder

    return make


def test_a_table_tells_emotion_speaker_and_gender_of_recordings_in_any_container(make: MakeFolder) -> None:
    corpus = own_corpus(make(WORDS))
    said = [corpus.parse(member) for member in ("a.wav", "sub/b.flac", "c.ogg")]
    assert [(each.name, each.speaker, each.gender, each.emotion) for each in said] == [
        ("a", "ann", "female", "angry"),
        ("sub_b", "bob", "male", "happy"),
        ("c", "ann", "female", "bored"),
    ]
    assert corpus.other_emotions == ("bored",)
    assert (corpus.name, corpus.title, corpus.language, corpus.clips, corpus.speakers) == ("calls", "Calls", "pl", 3, 2)


def test_it_is_packed_with_its_manifest_and_validated_from_that_alone(make: MakeFolder, tmp_path: Path) -> None:
    folder = make(WORDS, ("a.wav", "sub/b.flac", "c.ogg", "unlisted.wav"))
    source = folder.parent
    params = load_params()
    download = params.download.model_copy(update={"corpora": ["calls"], "source_dir": str(source)})
    raw = tmp_path / "data/raw"
    (first,) = acquire([find_corpus("calls", source)], download, raw_dir=raw, seed=1)
    assert (first.language, first.recordings, first.published_recordings) == ("pl", 4, 3)
    with zipfile.ZipFile(raw / "calls.zip") as packed:
        assert packed.namelist() == ["a.wav", "c.ogg", "sub/b.flac", "unlisted.wav", "corpus.yaml", "labels.csv"]
    (raw / "calls.json").touch()
    assert acquire([find_corpus("calls", source)], download, raw_dir=raw, seed=1) == [first]
    for path in (folder / "corpus.yaml", folder / "labels.csv"):
        path.unlink()
    verdicts = validate_recordings(find_archives(raw), params.validate_)
    found = {each.clip.clip: (each.clip.emotion, each.clip.gender, each.clip.reason) for each in verdicts}
    assert found == {
        "calls/a": ("angry", "female", ""),
        "calls/c": ("bored", "female", "other_emotion"),
        "calls/sub_b": ("happy", "male", ""),
        "calls/unlisted": ("", "", "unknown_name"),
    }
    assert {each.clip.language for each in verdicts} == {"pl"}
    unlisted = next(each for each in verdicts if each.clip.clip == "calls/unlisted")
    assert unlisted.faults["unknown_name"] == "unlisted.wav: not listed in labels.csv of Calls"


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "opus", "aiff"])
def test_recordings_in_any_container_come_whole_from_a_folder_to_the_clip_table(
    make: MakeFolder, tmp_path: Path, suffix: str
) -> None:
    """Tones of different lengths and pitch, so that a mix-up of recordings would be found."""
    names = [f"{speaker}_{emotion}" for speaker in ("ann", "bob") for emotion in ("angry", "happy")]
    folder = make("names: '{speaker}_{emotion}'\n", ())
    for number, name in enumerate(names):
        seconds = np.arange(int(16_000 * (0.7 + 0.2 * number))) / 16_000
        kind = {"format": "OGG", "subtype": "OPUS"} if suffix == "opus" else {}
        tone = 0.3 * np.sin(2 * np.pi * (300 + 100 * number) * seconds)
        soundfile.write(folder / f"{name}.{suffix}", tone, 16_000, **kind)
    params = load_params()
    raw = tmp_path / "data/raw"
    acquire([find_corpus("calls", folder.parent)], params.download, raw_dir=raw, seed=1)
    verdicts = validate_recordings(find_archives(raw), params.validate_)
    clips = {each.clip.clip.removeprefix("calls/"): each.clip for each in verdicts}
    assert {name: (clip.verdict, clip.reason) for name, clip in clips.items()} == dict.fromkeys(names, ("good", ""))
    with Archive(raw / "calls.zip") as archive:
        for number, name in enumerate(names):
            clip = clips[name]
            assert clip.seconds == pytest.approx(0.7 + 0.2 * number, abs=0.12), "an MP3 is padded at both ends"
            samples = read_recording(archive.read(clip.member)).mono()
            loudest_hz = np.abs(np.fft.rfft(samples)).argmax() * clip.rate_hz / len(samples)
            assert loudest_hz == pytest.approx(300 + 100 * number, abs=5)


def test_a_changed_label_is_packed_anew(make: MakeFolder, tmp_path: Path) -> None:
    folder = make(WORDS)
    download = load_params().download
    before, after = (tmp_path / "data/raw", tmp_path / "data/raw")
    (first,) = acquire([own_corpus(folder)], download, raw_dir=before, seed=1)
    (folder / "labels.csv").write_text(TABLE.replace("angry", "sad"), encoding="utf-8")
    (second,) = acquire([own_corpus(folder)], download, raw_dir=after, seed=1)
    assert first.sha256 != second.sha256
    with Archive(after / "calls.zip") as archive:
        assert corpus_in(archive).parse("a.wav").emotion == "sad"


def test_names_tell_it_by_a_template(make: MakeFolder) -> None:
    names = ("ann_angry_1.wav", "bob_joy_2.wav", "noise.wav")
    template = "names: '{speaker}_{emotion}_{}'\nemotions: {joy: happy}\ngenders: {ann: female, bob: unknown}\n"
    corpus = own_corpus(make(template, names))
    said = [corpus.parse(f"sub/{name}") for name in names[:2]]
    assert [(each.name, each.speaker, each.gender, each.emotion) for each in said] == [
        ("ann_angry_1", "ann", "female", "angry"),
        ("bob_joy_2", "bob", "", "happy"),
    ]
    for wrong in ("noise.wav", "ann_angry.wav", "ann_cross_1.wav", "eve_angry_1.wav"):
        with pytest.raises(InputError, match=wrong.removesuffix(".wav")):
            corpus.parse(wrong)


def test_folders_may_be_part_of_the_template(make: MakeFolder) -> None:
    corpus = own_corpus(make("names: '{speaker}/{emotion}-{sentence}'\n", ("ann/sad-7.wav",)))
    said = corpus.parse("deeper/ann/sad-7.wav")
    assert (said.name, said.speaker, said.gender, said.emotion, said.sentence) == ("ann_sad-7", "ann", "", "sad", "7")


@pytest.mark.parametrize(
    ("manifest", "table", "fault"),
    [
        ("", TABLE, r"calls/corpus\.yaml: found none of \['table', 'names', 'audformat'\], expected one of them"),
        (WORDS + "names: '{speaker}_{emotion}'\n", TABLE, r"found \['table', 'names'\] of"),
        (WORDS + "licens: x\n", TABLE, r"corpus\.yaml, line 6: licens: no such key, expected some of"),
        (WORDS.replace("joy: happy", "joy: hapy"), TABLE, r"line 5: emotions: found 'hapy' for 'joy', expected one of"),
        (
            WORDS.replace("joy", "sad").replace("happy", "other"),
            TABLE,
            r"line 5: emotions: .* which is one of the seven",
        ),
        ("table: labels.txt\n", TABLE, r"line 4: table: found 'labels\.txt', expected a file in the folder"),
        (
            "names: '{speaker}_x'\n",
            TABLE,
            r"line 4: names: found '\{speaker\}_x', expected \{emotion\} and \{speaker\}",
        ),
        ("names: '{speaker}_{emotion}'\n", TABLE, r"names: none of 3 recordings is named so; a\.wav: not named as in"),
        ("language: polish\n" + WORDS, TABLE, r"line 4: language: found 'polish', expected an ISO 639-1 code"),
        ("title: 7\n" + WORDS, TABLE, r"line 4: title: found 7, expected text"),
        ("genders: {ann: woman}\n" + WORDS, TABLE, r"line 4: genders: found 'woman' for 'ann', expected one of"),
        ("table: [\n", TABLE, r"corpus\.yaml: not YAML"),
        (WORDS, TABLE.replace("joy", "cheer"), r"calls/labels\.csv, line 3: unknown emotion 'cheer', expected one of"),
        (WORDS, TABLE.replace(",M", ",man"), r"labels\.csv, line 3: unknown gender 'man', expected one of"),
        (WORDS, TABLE.replace("bob", ""), r"labels\.csv, line 3: speaker: found nothing, expected the name of who"),
        (WORDS, TABLE.replace("c.ogg", "d.ogg"), r"labels\.csv, line 4: found 'd', expected a recording in the folder"),
        (WORDS, TABLE.replace("speaker", "voice"), r"labels\.csv, line 1: found the columns .* expected \['speaker'\]"),
    ],
)
def test_a_fault_is_named_with_its_file_and_line(make: MakeFolder, manifest: str, table: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        own_corpus(make(manifest, labels__csv=table))


def test_a_row_that_fits_two_recordings_is_refused(make: MakeFolder) -> None:
    folder = make("table: labels.csv\n", ("x/a.wav", "y/a.wav"), labels__csv="file,emotion,speaker\na.wav,sad,ann\n")
    with pytest.raises(InputError, match=r"labels\.csv, line 2: found 'a', which fits x/a\.wav and y/a\.wav"):
        own_corpus(folder)


def test_every_fault_of_a_table_is_named_up_to_ten(make: MakeFolder) -> None:
    rows = "".join(f"{number}.wav,sad,ann\n" for number in range(30))
    with pytest.raises(InputError) as refusal:
        own_corpus(make("table: labels.csv\n", labels__csv=f"file,emotion,speaker\n{rows}"))
    assert len(str(refusal.value).splitlines()) == 10


def test_columns_may_be_named_otherwise_and_separated_by_semicolons(make: MakeFolder) -> None:
    manifest = "table: labels.csv\nseparator: ;\ncolumns: {file: clip, emotion: mood, speaker: who}\n"
    corpus = own_corpus(make(manifest, ("a.wav",), labels__csv="clip;mood;who;age\na;fear;ann;7\n"))
    said = corpus.parse("a.wav")
    assert (said.emotion, said.speaker, said.gender) == ("fear", "ann", "")


HEADER = {
    "name": "mine",
    "schemes": {"emotion": {"dtype": "str"}, "speaker": {"dtype": "int", "labels": {7: {"gender": "female"}, 8: {}}}},
    "tables": {
        "emotion.train": {"type": "filewise", "columns": {"emotion": {"scheme_id": "emotion"}}},
        "emotion.test": {"type": "filewise", "columns": {"emotion": {"scheme_id": "emotion"}}},
        "files": {"type": "filewise", "columns": {"speaker": {"scheme_id": "speaker"}}},
        "pauses": {"type": "segmented", "columns": {"emotion": {"scheme_id": "emotion"}}},
    },
}
TABLES = {
    "db__emotion__train__csv": "file,emotion\nwav/a.wav,anger\n",
    "db__emotion__test__csv": "file,emotion\nwav/b.wav,sad\n",
    "db__files__csv": "file,speaker\nwav/a.wav,7\nwav/b.wav,8\n",
}


def test_the_layout_of_audformat_is_read_from_its_header(make: MakeFolder) -> None:
    folder = make(
        "audformat: true\nemotions: {anger: angry}\n", ("wav/a.wav", "wav/b.wav"), db__yaml=json.dumps(HEADER), **TABLES
    )
    corpus = own_corpus(folder)
    said = [corpus.parse(f"wav/{name}.wav") for name in "ab"]
    assert [(each.speaker, each.gender, each.emotion) for each in said] == [
        ("7", "female", "angry"),
        ("8", "", "sad"),
    ]
    assert corpus.clips == 2
    assert corpus.beside[:2] == ("corpus.yaml", "db.yaml")


def test_speakers_of_audformat_may_have_a_table(make: MakeFolder) -> None:
    header = {
        **HEADER,
        "schemes": {"speaker": {"labels": "speaker"}},
        "misc_tables": {"speaker": {"levels": {"id": "int"}, "columns": {"sex": {}}}},
    }
    tables = {**TABLES, "db__speaker__csv": "id,sex\n7,female\n8,male\n"}
    folder = make(
        "audformat: true\nemotions: {anger: angry}\n", ("wav/a.wav", "wav/b.wav"), db__yaml=json.dumps(header), **tables
    )
    assert [own_corpus(folder).parse(f"wav/{name}.wav").gender for name in "ab"] == ["female", "male"]


@pytest.mark.parametrize(
    ("manifest", "header", "fault"),
    [
        ("audformat: true\n", "{}", r"db\.yaml: tables: found NoneType, expected the tables of an audformat database"),
        ("audformat: {speaker: who}\n", json.dumps(HEADER), r"found no table of whole files with the column 'who'"),
        ("audformat: {tables: [all]}\n", json.dumps(HEADER), r"db\.yaml: tables: found no 'all', expected it among"),
        ("audformat: {emotoin: x}\n", json.dumps(HEADER), r"corpus\.yaml, line 4: audformat: found \['emotoin'\]"),
    ],
)
def test_a_fault_of_audformat_is_named(make: MakeFolder, manifest: str, header: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        own_corpus(make(manifest, ("wav/a.wav", "wav/b.wav"), db__yaml=header, **TABLES))


def test_it_is_found_by_its_folder_and_known_to_params(make: MakeFolder, tmp_path: Path) -> None:
    source = make(WORDS).parent
    assert own_names(source) == ["calls"]
    assert own_names(None) == own_names(tmp_path / "nowhere") == []
    with pytest.raises(InputError, match=r"download\.corpora: found 'cals', expected some of .*'calls'.*'tess'"):
        find_corpus("cals", source)
    text = Path("params.yaml").read_text().replace("corpora: [synthetic]", "corpora: [synthetic, calls]")
    params = tmp_path / "params.yaml"
    params.write_text(text)
    with pytest.raises(InputError, match=r"download\.corpora\.1: found 'calls'; expected one of"):
        load_params(params)
    params.write_text(text.replace("source_dir: null", f"source_dir: {source}"))
    assert source_dir_of(params) == source
    assert load_params(params).download.corpora == ["synthetic", "calls"]


def test_a_name_of_the_catalogue_is_taken(make: MakeFolder) -> None:
    folder = make(WORDS)
    taken = folder.rename(folder.with_name("tess"))
    with pytest.raises(InputError, match=r"tess/corpus\.yaml: tess is a corpus of the catalogue, expected a folder"):
        own_corpus(taken)
    spaced = taken.rename(folder.with_name("My calls"))
    with pytest.raises(InputError, match=r"found the folder name 'My calls', expected lower-case letters"):
        own_corpus(spaced)
