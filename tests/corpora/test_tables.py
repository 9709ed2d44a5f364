"""Tables beside recordings: their content, the line of a fault, and the row that a path finds."""

import pytest

from deepemo.corpora.tables import Cell, Labels, SideTable, read_labels, recording_key
from deepemo.errors import InputError

SAMPLES = SideTable(path="meta/samples.csv", key="file", columns={"speaker": "who", "emotion": "mood"})
PEOPLE = SideTable(path="people.tsv", about="speaker", key="who", columns={"gender": "sex"}, separator="\t")


def read(table: SideTable, text: str | bytes, *others: SideTable) -> Labels:
    content = text if isinstance(text, bytes) else text.encode()
    return read_labels([table, *others], {table.path: content}.get)


def test_a_row_is_found_by_the_longest_end_of_a_path_without_its_suffix() -> None:
    labels = read(SAMPLES, "file,who,mood\na/1.wav,ann,joy\n1.wav,bob,fear\n")
    rows = {path: labels.of_recording(path) for path in ("x/a/1.flac", "a/1.wav", "b/1.wav", "1.WAV", "b/11.wav")}
    assert {path: row["speaker"].value if row else None for path, row in rows.items()} == {
        "x/a/1.flac": "ann", "a/1.wav": "ann", "b/1.wav": "bob", "1.WAV": "bob", "b/11.wav": None
    }  # fmt: skip
    assert labels.recordings["1"]["emotion"] == Cell("fear", "meta/samples.csv, line 3")


def test_cells_are_read_without_the_spaces_around_them_after_a_byte_order_mark_and_with_any_line_ends() -> None:
    labels = read(SAMPLES, b'\xef\xbb\xbf file ,who,mood\r 1.wav ,\t ann , joy\r\n\r\n2.wav,"bob, jr",fear\n')
    assert labels.recordings["1"]["speaker"].value == "ann"
    assert labels.recordings["2"]["speaker"].value == "bob, jr"


def test_a_suffix_belongs_to_a_recording_only_if_it_is_one_of_a_recording() -> None:
    assert [recording_key(path) for path in ("a\\b.WAV", "a/b.v2", "b.mp3")] == ["a/b", "a/b.v2", "b"]


def test_speakers_have_a_table_of_their_own() -> None:
    labels = read(PEOPLE, "who\tsex\nann\tfemale\n")
    assert labels.speakers["ann"]["gender"].value == "female"
    assert labels.recordings == {}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("file,who\n1.wav,ann\n", r"meta/samples\.csv, line 1: found the columns \['file', 'who'\], .*\['mood'\]"),
        ("file,who,mood\n1.wav,ann,joy\n1.wav,ann,joy\n", r"line 3: lists '1\.wav' again, which line 2 lists already"),
        ("file,who,mood\n1.wav,ann,joy\n1.flac,ann,fear\n", r"line 3: lists '1\.flac' again"),
        ("file,who,mood\n\n,ann,joy\n", r"line 3: file: found nothing, expected the name of a recording"),
        (b"file,who,mood\n1.wav,\xff,joy\n", r"meta/samples\.csv: expected a CSV in UTF-8"),
        ('file,who,mood\n1.wav,"ann"b,joy\n', r"meta/samples\.csv: expected a CSV"),
        ("", r"meta/samples\.csv, line 1: found the columns \[\]"),
    ],
)
def test_a_fault_is_named_with_its_line(text: str | bytes, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        read(SAMPLES, text)


def test_two_tables_may_not_tell_two_things_of_one_recording() -> None:
    other = SideTable(path="more.csv", key="file", columns={"emotion": "mood"})
    content = {"meta/samples.csv": b"file,who,mood\n1.wav,ann,joy\n", "more.csv": b"file,mood\n1.wav,joy\n"}
    assert read_labels([SAMPLES, other], content.get).recordings["1"]["emotion"].value == "joy"
    content["more.csv"] = b"file,mood\n1.wav,fear\n"
    with pytest.raises(InputError, match=r"more\.csv, line 2: emotion of 1: found 'fear', expected 'joy' as in meta/"):
        read_labels([SAMPLES, other], content.get)


def test_a_required_table_must_be_there_and_another_need_not() -> None:
    with pytest.raises(InputError, match=r"meta/samples\.csv: no such file beside the recordings"):
        read_labels([SAMPLES], lambda path: None)
    votes = SideTable(path="votes.csv", key="file", votes={"happy": "H", "sad": "S"}, required=False)
    assert read_labels([votes], lambda path: None).answers == {}


def test_votes_are_counted_in_the_rows_that_count() -> None:
    votes = SideTable(path="votes.csv", key="clip", votes={"happy": "H", "sad": "S"}, where=("", r"1\d"))
    labels = read(votes, '"",clip,H,S\n11,a,3,1\n21,a,9,9\n')
    assert labels.answers_to("x/a.wav") == {"happy": 3, "sad": 1}
    assert labels.answers_to("b.wav") == {}
    with pytest.raises(InputError, match=r"votes\.csv, line 2: S: found 'many', expected how many listeners"):
        read(votes, '"",clip,H,S\n11,a,3,many\n')


def test_each_answer_of_a_listener_is_a_row() -> None:
    answers = SideTable(path="answers.csv", about="answer", key="file", columns={"emotion": "heard"})
    labels = read(answers, "file,heard\na.wav,joy\na.wav,joy\nb.wav,joy\na.wav,fear\n")
    assert labels.answers_to("a.wav") == {"joy": 2, "fear": 1}
