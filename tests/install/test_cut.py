"""A part of the lock holds all that some requirements need, with the entries of the lock."""

import pytest

from install.cut import cut, needed

LOCK = """a==1 \\
    --hash=sha256:aa \\
    --hash=sha256:ab
b-c==2 ; python_version < '4' \\
    --hash=sha256:bb
d==3 \\
    --hash=sha256:dd
"""
NEEDS = {
    "a": ["B_C>=1", "d; sys_platform == 'win32'", "d; extra == 'more'"],
    "b-c": ["a"],
    "d": [],
}


def test_what_is_needed_is_followed_through_markers_extras_and_circles() -> None:
    assert needed(["A"], NEEDS.__getitem__) == {"a", "b-c"}
    assert needed(["a[more]"], NEEDS.__getitem__) == {"a", "b-c", "d"}


def test_entries_are_taken_whole_with_markers_and_hashes() -> None:
    assert cut(LOCK, {"a", "b-c", "d"}) == LOCK
    assert cut(LOCK, {"b-c"}) == "b-c==2 ; python_version < '4' \\\n    --hash=sha256:bb\n"
    with pytest.raises(ValueError, match=r"found no entry of \['e'\]"):
        cut(LOCK, {"a", "e"})
