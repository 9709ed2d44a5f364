"""Corpora in a folder that people put together: official layouts, Kaggle's, archives, and missing corpora."""

import io
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from deepemo.corpora.archive import Archive
from deepemo.corpora.definition import Corpus
from deepemo.corpora.download.folders import CopyNotFoundError, find_copy, known_names, same_name
from deepemo.corpora.download.packing import Contents, pack, take_stock
from deepemo.corpora.registry import CORPORA
from deepemo.errors import InputError
from tests.fixtures.rars import Stored, rar5


def tiny_wav(number: int) -> bytes:
    """A hundredth of a second of sound, different for each number."""
    stream = io.BytesIO()
    soundfile.write(stream, [number / 1000] * 160, 16_000, format="WAV", subtype="PCM_16")
    return stream.getvalue()


def write_tree(root: Path, files: dict[str, int]) -> None:
    """Write tiny recordings. Those with the same number have the same bytes."""
    for name, number in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tiny_wav(number))


def stock(corpus: str, source_dir: Path) -> Contents:
    return take_stock(CORPORA[corpus], find_copy(CORPORA[corpus], source_dir))


def names(corpus: str, contents: Contents) -> list[str]:
    """The canonical names of the recordings that would be packed."""
    return sorted(CORPORA[corpus].parse(found.member).name for found in contents.recordings)


TWO_RAVDESS = ["03-01-05-01-01-01-01", "03-01-06-01-02-01-12"]

LAYOUTS = {
    "ravdess, official": ("ravdess", ["ravdess/Actor_01/{0}.wav", "ravdess/Actor_12/{1}.wav"], TWO_RAVDESS),
    "ravdess, by the name of its archive": (
        "ravdess",
        ["Audio_Speech_Actors_01-24/Actor_01/{0}.wav", "Audio_Speech_Actors_01-24/Actor_12/{1}.wav"],
        TWO_RAVDESS,
    ),
    "ravdess, deep": ("ravdess", ["RAVDESS/a/b/c/Actor_01/{0}.wav", "RAVDESS/d/Actor_12/{1}.wav"], TWO_RAVDESS),
    "crema_d, official": (
        "crema_d",
        ["CREMA-D/AudioWAV/{0}.wav", "CREMA-D/AudioWAV/{1}.wav"],
        ["1001_IEO_ANG_HI", "1040_ITH_SAD_XX"],
    ),
    "crema_d, Kaggle": ("crema_d", ["cremad/{0}.wav", "cremad/{1}.wav"], ["1001_IEO_ANG_HI", "1040_ITH_SAD_XX"]),
    "tess, official": ("tess", ["dataverse_files/{0}.wav", "dataverse_files/{1}.wav"], ["OAF_back_sad", "YAF_dog_ps"]),
    "tess, by folders": ("tess", ["tess/OAF_Sad/{0}.wav", "tess/YAF_fear/{1}.WAV"], ["OAF_back_sad", "YAF_dog_ps"]),
    "ravdess, of four in one": (
        "ravdess",
        ["Ravdess/audio_speech_actors_01-24/Actor_01/{0}.wav", "Ravdess/audio_speech_actors_01-24/Actor_12/{1}.wav"],
        TWO_RAVDESS,
    ),
    "crema_d, of four in one": ("crema_d", ["Crema/{0}.wav", "Crema/{1}.wav"], ["1001_IEO_ANG_HI", "1001_IEO_SAD_HI"]),
    "crema_d, from GitHub": (
        "crema_d",
        ["CREMA-D-master/AudioWAV/{0}.wav", "CREMA-D-master/AudioWAV/{1}.wav"],
        ["1001_IEO_ANG_HI", "1001_IEO_SAD_HI"],
    ),
    "crema_d, its folder alone": (
        "crema_d",
        ["AudioWAV/{0}.wav", "AudioWAV/{1}.wav"],
        ["1001_IEO_ANG_HI", "1001_IEO_SAD_HI"],
    ),
    "savee, flat": ("savee", ["ALL/{0}.wav", "ALL/{1}.wav"], ["DC_a01", "KL_sa02"]),
    "savee, of four in one": ("savee", ["Savee/{0}.wav", "Savee/{1}.wav"], ["DC_a01", "KL_sa02"]),
    "tess, of four in one": ("tess", ["Tess/OAF_Sad/{0}.wav", "Tess/YAF_ps/{1}.wav"], ["OAF_back_sad", "YAF_dog_ps"]),
    "tess, Kaggle": (
        "tess",
        ["TESS Toronto emotional speech set data/{0}.wav", "TESS Toronto emotional speech set data/x/{1}.wav"],
        ["OAF_back_sad", "YAF_dog_ps"],
    ),
    "emodb, in FLAC": ("emodb", ["EmoDB/{0}.flac", "EmoDB/{1}.FLAC"], ["03a01Fa", "16b10Lb"]),
    "emodb, official": ("emodb", ["emodb/wav/{0}.wav", "emodb/wav/{1}.wav"], ["03a01Fa", "16b10Lb"]),
}


@pytest.mark.parametrize(("corpus", "layout", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_finds_every_layout(tmp_path: Path, corpus: str, layout: list[str], expected: list[str]) -> None:
    write_tree(tmp_path, {path.format(*expected): number for number, path in enumerate(layout)})
    contents = stock(corpus, tmp_path)
    assert names(corpus, contents) == expected
    assert contents.repeated == 0


def test_savee_official_and_flat_hold_the_same(tmp_path: Path) -> None:
    write_tree(tmp_path / "official", {"savee/AudioData/DC/a01.wav": 1, "savee/AudioData/KL/a01.wav": 2})
    write_tree(tmp_path / "kaggle", {"savee/ALL/DC_a01.wav": 1, "savee/ALL/KL_a01.wav": 2})
    official, kaggle = stock("savee", tmp_path / "official"), stock("savee", tmp_path / "kaggle")
    assert names("savee", official) == names("savee", kaggle) == ["DC_a01", "KL_a01"]
    assert [found.sha256 for found in official.recordings] == [found.sha256 for found in kaggle.recordings]


def test_savee_in_both_layouts_at_once_is_packed_once(tmp_path: Path) -> None:
    write_tree(tmp_path / "savee", {"AudioData/DC/a01.wav": 1, "ALL/DC_a01.wav": 1})
    contents = stock("savee", tmp_path)
    assert names("savee", contents) == ["DC_a01"]
    assert contents.repeated == 1


def test_nested_copy_of_tess_is_packed_once(tmp_path: Path) -> None:
    outer = "TESS Toronto emotional speech set data"
    files = {"OAF_angry/OAF_back_angry.wav": 1, "YAF_fear/YAF_back_fear.wav": 2}
    write_tree(tmp_path / "tess" / outer, files)
    write_tree(tmp_path / "tess" / outer / outer, files)
    contents = stock("tess", tmp_path)
    assert [found.member for found in contents.recordings] == [f"{outer}/{name}" for name in sorted(files)]
    assert contents.repeated == 2


def test_doubled_tree_of_ravdess_is_packed_once(tmp_path: Path) -> None:
    files = {f"Actor_{name[-2:]}/{name}.wav": number for number, name in enumerate(TWO_RAVDESS)}
    write_tree(tmp_path / "ravdess", files)
    write_tree(tmp_path / "ravdess" / "audio_speech_actors_01-24", files)
    contents = stock("ravdess", tmp_path)
    assert [found.member for found in contents.recordings] == sorted(files)
    assert contents.repeated == 2


def test_one_name_with_two_contents_is_left_for_validation_to_judge(tmp_path: Path) -> None:
    write_tree(tmp_path / "tess", {"OAF_back_sad.wav": 1, "more/OAF_back_sad.wav": 2})
    contents = stock("tess", tmp_path)
    assert [found.member for found in contents.recordings] == ["OAF_back_sad.wav", "more/OAF_back_sad.wav"]
    assert contents.repeated == 0


def test_same_sound_under_two_names_is_kept_twice(tmp_path: Path) -> None:
    write_tree(tmp_path / "crema_d", {"1006_TIE_NEU_XX.wav": 1, "1006_TIE_HAP_XX.wav": 1})
    assert names("crema_d", stock("crema_d", tmp_path)) == ["1006_TIE_HAP_XX", "1006_TIE_NEU_XX"]


def test_official_archives_are_read_as_they_are(tmp_path: Path) -> None:
    for number, name in enumerate(("Audio_Speech_Actors_01-24.zip", "ravdess/one.zip", "ravdess/two.zip")):
        path = tmp_path / f"case{min(number, 1)}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"Actor_0{number + 1}/03-01-05-01-01-01-0{number + 1}.wav", tiny_wav(number))
            archive.writestr("readme.txt", "no recording")
    assert names("ravdess", stock("ravdess", tmp_path / "case0")) == ["03-01-05-01-01-01-01"]
    assert names("ravdess", stock("ravdess", tmp_path / "case1")) == ["03-01-05-01-01-01-02", "03-01-05-01-01-01-03"]


def zip_of(path: Path, files: dict[str, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, number in files.items():
            archive.writestr(name, tiny_wav(number))


def test_unpacked_copy_goes_before_an_archive_with_as_much(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_tree(tmp_path, {"emodb/wav/03a01Fa.wav": 1})
    zip_of(tmp_path / "emodb" / "download.zip", {"wav/03a01Fa.wav": 2})
    zip_of(tmp_path / "emodb.zip", {"wav/03a01Fa.wav": 3})
    assert find_copy(CORPORA["emodb"], tmp_path)[0].path == tmp_path / "emodb"
    assert f"emodb: using {tmp_path}/emodb (1 recordings); left aside: {tmp_path}/emodb.zip (1" in caplog.text


def test_the_fuller_copy_is_used_and_one_that_holds_all_twice_is_no_fuller(tmp_path: Path) -> None:
    write_tree(tmp_path, {"emodb/wav/03a01Fa.wav": 1, "emodb/again/03a01Fa.wav": 1, "emodb/a.mp3": 2})
    write_tree(tmp_path, {"Emo-DB/03a01Fa.wav": 1, "Emo-DB/08a01Fa.wav": 2})
    assert find_copy(CORPORA["emodb"], tmp_path)[0].path == tmp_path / "Emo-DB"


def test_an_archive_that_is_none_does_not_hide_the_unpacked_copy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_tree(tmp_path, {"emodb/wav/03a01Fa.wav": 1})
    (tmp_path / "emodb.zip").write_bytes(b"half a download")
    assert names("emodb", stock("emodb", tmp_path)) == ["03a01Fa"]
    assert "emodb.zip: expected a zip archive" in caplog.text


@pytest.mark.parametrize("loose", ["emodb/03a01Wa.wav", "emodb/mine.wav", "EmoDB (1)/wav/03a01Wa.wav"])
def test_a_loose_file_does_not_hide_the_archive_beside_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, loose: str
) -> None:
    write_tree(tmp_path, {loose: 1})
    zip_of(tmp_path / "emodb" / "download.zip", {"wav/03a01Fa.wav": 2, "wav/08a01Fa.wav": 3})
    assert names("emodb", stock("emodb", tmp_path)) == ["03a01Fa", "08a01Fa"]
    used = f"emodb: using {tmp_path}/emodb/download.zip (2 recordings); left aside: {tmp_path / loose.split('/')[0]} ("
    assert used in caplog.text


SAME_NAMES = [
    "CREMA-D",
    "crema_d",
    "Crema D",
    "CREMAD",
    "CREMA-D-master",
    "crema-d-main",
    "cremad (1)",
    "crema_d-master (2)",
]


@pytest.mark.parametrize("name", SAME_NAMES)
def test_names_are_one_but_for_case_signs_and_what_downloads_add(tmp_path: Path, name: str) -> None:
    write_tree(tmp_path, {f"{name}/1001_IEO_ANG_HI.wav": 1})
    assert same_name(name, "crema_d")
    assert not same_name(name, "crema")
    assert find_copy(CORPORA["crema_d"], tmp_path)[0].path == tmp_path / name


@pytest.fixture
def four_emodb() -> Corpus:
    """EmoDB with only four published recordings."""
    return replace(CORPORA["emodb"], clips=4)


@pytest.mark.parametrize("folders", [["my berlin"], ["."], ["a/b", "c"]])
def test_a_copy_under_an_unknown_name_is_used_if_it_is_half_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, four_emodb: Corpus, folders: list[str]
) -> None:
    write_tree(tmp_path, {f"{folders[0]}/03a01Fa.wav": 1, f"{folders[-1]}/08a01Fa.wav": 2, "other/speech.wav": 3})
    found = take_stock(four_emodb, find_copy(four_emodb, tmp_path))
    assert names("emodb", found) == ["03a01Fa", "08a01Fa"]
    assert "has no folder or archive of EmoDB (looked for emodb/, " in caplog.text
    assert f"using what is named as its recordings in {tmp_path}: 2 recordings, such as " in caplog.text


def test_an_archive_under_an_unknown_name_is_used_too(tmp_path: Path, four_emodb: Corpus) -> None:
    zip_of(tmp_path / "archive.zip", {"x/03a01Fa.wav": 1, "x/08a01Fa.wav": 2, "y/DC_a01.wav": 3})
    (tmp_path / "broken.zip").write_bytes(b"of no concern")
    assert names("emodb", take_stock(four_emodb, find_copy(four_emodb, tmp_path))) == ["03a01Fa", "08a01Fa"]


def test_a_few_recordings_under_an_unknown_name_are_named_and_not_used(tmp_path: Path, four_emodb: Corpus) -> None:
    write_tree(tmp_path, {"mine/03a01Fa.wav": 1, "emodb/hello.wav": 2})
    with pytest.raises(CopyNotFoundError) as missing:
        find_copy(four_emodb, tmp_path)
    assert "1 recordings, such as mine/03a01Fa.wav are named as in EmoDB: put them into emodb/" in str(missing.value)
    assert f"1 recordings in {tmp_path}/emodb are not named as in EmoDB" in str(missing.value)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{:064x}\nsize 98254\n"
ADVICE = (
    r"GitHub's 'Download ZIP' and a clone without git-lfs hold only pointers to recordings; run `git lfs install` and"
)


@pytest.mark.parametrize("zipped", [False, True])
def test_pointers_are_called_pointers_with_what_to_do(tmp_path: Path, zipped: bool) -> None:
    folder = tmp_path / "CREMA-D-master"
    (folder / "AudioWAV").mkdir(parents=True)
    for level in ("LO", "MD", "HI"):
        (folder / "AudioWAV" / f"1001_IEO_ANG_{level}.wav").write_text(POINTER.format(len(level)))
    if zipped:
        shutil.make_archive(str(folder), "zip", folder)
        shutil.rmtree(folder)
    told = r"CREMA-D-master(\.zip)?: 3 of 3 recordings are Git LFS pointers, such as AudioWAV/1001_IEO_ANG_HI\.wav: .*"
    with pytest.raises(InputError, match=told + ADVICE):
        stock("crema_d", tmp_path)


def test_pointers_among_recordings_are_counted_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_tree(tmp_path, {"crema_d/1001_IEO_ANG_LO.wav": 1})
    (tmp_path / "crema_d" / "1001_IEO_ANG_HI.wav").write_text(POINTER.format(1))
    assert names("crema_d", stock("crema_d", tmp_path)) == ["1001_IEO_ANG_LO"]
    assert "1 of 2 recordings are Git LFS pointers, such as 1001_IEO_ANG_HI.wav; they are left out." in caplog.text


def test_a_copy_of_recordings_goes_before_one_of_pointers(tmp_path: Path) -> None:
    write_tree(tmp_path, {"crema/1001_IEO_ANG_LO.wav": 1})
    (tmp_path / "CREMA-D-master").mkdir()
    for level in ("LO", "MD", "HI"):
        (tmp_path / "CREMA-D-master" / f"1001_IEO_ANG_{level}.wav").write_text(POINTER.format(1))
    assert find_copy(CORPORA["crema_d"], tmp_path)[0].path == tmp_path / "crema"


def test_of_a_performance_in_several_formats_the_best_is_packed(tmp_path: Path) -> None:
    write_tree(tmp_path / "crema_d", {"AudioMP3/1001_IEO_ANG_LO.mp3": 1, "AudioWAV/1001_IEO_ANG_LO.wav": 2})
    write_tree(tmp_path / "crema_d", {"AudioMP3/1001_IEO_SAD_LO.mp3": 3})
    write_tree(tmp_path / "ravdess", {f"{medium}-01-05-01-01-01-01.wav": int(medium) for medium in ("01", "03")})
    write_tree(tmp_path / "ravdess", {"videos/01-01-05-01-01-01-01.mp4": 4, "videos/02-01-05-01-01-01-01.mp4": 5})
    crema_d = stock("crema_d", tmp_path)
    packed = [found.member for found in crema_d.recordings]
    assert packed == ["AudioMP3/1001_IEO_SAD_LO.mp3", "AudioWAV/1001_IEO_ANG_LO.wav"]
    assert crema_d.repeated == 1
    assert names("ravdess", stock("ravdess", tmp_path)) == ["01-01-05-01-01-01-01", "03-01-05-01-01-01-01"]


def test_odd_names_that_are_no_recordings_are_counted_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    zip_of(tmp_path / "emodb.zip", {"wav/03a01Fa.wav": 1, "../notes.txt": 2, "/etc/x": 3})
    assert names("emodb", stock("emodb", tmp_path)) == ["03a01Fa"]
    assert (
        "2 members that are no recordings are ignored for their paths or sizes, such as '../notes.txt'" in caplog.text
    )


def test_empty_folder_does_not_hide_the_archive_beside_it(tmp_path: Path) -> None:
    (tmp_path / "emodb").mkdir()
    with zipfile.ZipFile(tmp_path / "EmoDB.ZIP", "w") as archive:
        archive.writestr("wav/03a01Fa.wav", tiny_wav(1))
    assert isinstance(find_copy(CORPORA["emodb"], tmp_path)[0], Archive)


RARS = ["oreau2.rar", "OréauFR_02.rar", "Ore\u0301auFR_02.RAR", "oreau/any name.rar"]


@pytest.mark.parametrize("name", RARS)
def test_a_rar_is_found_and_read_as_a_zip_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    members = {"OréauFR_02/m/31/31a06Ja.wav": 1, "OréauFR_02/f/02/02a12Cb.wav": 2}
    (tmp_path / name).write_bytes(
        rar5(*(Stored(name=member, content=tiny_wav(number)) for member, number in members.items()))
    )
    assert names("oreau", stock("oreau", tmp_path)) == ["02a12Cb", "31a06Ja"]


def test_an_archive_in_volumes_does_not_hide_the_unpacked_copy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_tree(tmp_path, {"oreau/m/31/31a06Ja.wav": 1})
    for number in (1, 2):
        part = rar5(Stored(name="m/31/31a06Ja.wav", content=b"half", split=True), volume=True)
        (tmp_path / f"oreau/oreau.part{number}.rar").write_bytes(part)
    assert names("oreau", stock("oreau", tmp_path)) == ["31a06Ja"]
    assert "oreau.part2.rar: it is one volume of several" in caplog.text


def test_broken_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "emodb.zip").write_bytes(b"half a download")
    with pytest.raises(InputError, match=r"emodb\.zip: expected a zip archive"):
        find_copy(CORPORA["emodb"], tmp_path)


@pytest.mark.parametrize("corpus", [name for name in CORPORA if name != "synthetic"])
def test_missing_corpus_is_told_with_what_was_looked_for(tmp_path: Path, corpus: str) -> None:
    write_tree(tmp_path, {"somewhere_else/a.wav": 1})
    (tmp_path / corpus).mkdir()
    with pytest.raises(CopyNotFoundError) as missing:
        find_copy(CORPORA[corpus], tmp_path)
    message = str(missing.value)
    assert message.startswith(f"{tmp_path} has no folder or archive of {CORPORA[corpus].title} (looked for {corpus}/, ")
    for name in known_names(CORPORA[corpus]):
        assert f" {name}/" in message
        assert f" {name}.zip or .rar" in message


def test_names_of_a_corpus_start_with_its_own_and_hold_that_of_its_archive() -> None:
    found = known_names(CORPORA["ravdess"])
    assert found[0] == "ravdess"
    assert found.count("Audio_Speech_Actors_01-24") == 1


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("a file")])
def test_source_dir_that_is_no_folder_is_told(tmp_path: Path, make: object) -> None:
    source_dir = tmp_path / "nowhere"
    assert callable(make)
    make(source_dir)
    with pytest.raises(CopyNotFoundError, match=r"download\.source_dir: .*nowhere: no such folder"):
        find_copy(CORPORA["savee"], source_dir)


def test_packing_a_copy_gives_the_same_bytes_always(tmp_path: Path) -> None:
    write_tree(tmp_path / "savee", {"AudioData/DC/a01.wav": 1, "AudioData/KL/sa02.wav": 2, "AudioData/KL/note.txt": 3})
    for target in ("one.zip", "two.zip"):
        pack(stock("savee", tmp_path), tmp_path / target)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    packed = Archive(tmp_path / "one.zip")
    assert packed.recordings() == ["AudioData/DC/a01.wav", "AudioData/KL/sa02.wav"]
    assert packed.read("AudioData/KL/sa02.wav") == tiny_wav(2)
