"""The emotions of a run: some of the seven, in their order, and the same from the split to the answer."""

from collections.abc import Sequence
from itertools import combinations, permutations

import pytest

from deepemo.emotions import EMOTIONS, check_emotions, how_many, in_order, recorded_emotions
from deepemo.errors import InputError


def test_some_emotions_have_their_order_in_whichever_they_are_named() -> None:
    for chosen in combinations(EMOTIONS, 3):
        assert {in_order(named) for named in permutations(chosen)} == {chosen}


def test_their_number_is_a_word() -> None:
    assert [how_many(EMOTIONS[:count]) for count in range(2, 8)] == ["two", "three", "four", "five", "six", "seven"]


@pytest.mark.parametrize(
    "found", [None, "angry", 7, [], ["sad"], ["sad", "angry"], ["angry", "angry"], ["angry", "joy"], {"angry": 1}, [[]]]
)
def test_a_file_that_records_something_else_is_named(found: object) -> None:
    with pytest.raises(InputError, match=r"^model\.json: emotions: found .*, expected 2 or more of .*in this order$"):
        recorded_emotions(found, source="model.json")


@pytest.mark.parametrize("found", [["angry", "sad"], ("angry", "happy", "sad", "surprise"), []])
def test_others_are_refused_with_both_lists(found: Sequence[str]) -> None:
    with pytest.raises(InputError) as error:
        check_emotions(found, ("angry", "happy", "sad"), source="a.json", whose="params.yaml")
    assert str(error.value) == (
        f"a.json: emotions: found {list(found)}, expected ['angry', 'happy', 'sad'], those of params.yaml"
    )
    check_emotions(["angry", "happy", "sad"], ("angry", "happy", "sad"), source="a.json", whose="params.yaml")
