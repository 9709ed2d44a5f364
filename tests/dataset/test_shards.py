"""Shards: what goes in comes out, a clip's shard never changes, and the same clips give the same bytes."""

from pathlib import Path

import numpy as np
import pytest

from deepemo.dataset.shards import read_batches, read_features, read_spec, shard_of, shards_for, write_shards
from deepemo.errors import InputError


def arrays(count: int = 30) -> list[tuple[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [(f"corpus/clip{number:02d}", rng.uniform(0, 1, (5, 4)).astype(np.float32)) for number in range(count)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_shards(tmp_path, arrays(), shards=4, shape=(5, 4), about={"features": {"kind": "mel"}})
    return tmp_path


def test_every_clip_comes_back_with_its_array(folder: Path) -> None:
    found = {}
    for clips, values in read_batches(folder, batch_size=7):
        assert len(clips) == len(values) <= 7
        found.update(zip(clips, values, strict=True))
    assert set(found) == {clip for clip, _ in arrays()}
    for clip, values in arrays():
        np.testing.assert_allclose(found[clip], values, atol=5e-4)


def test_some_clips_alone_can_be_read(folder: Path) -> None:
    wanted = ["corpus/clip03", "corpus/clip11", "corpus/clip29"]
    found = [clip for clips, _ in read_features(folder, wanted, batch_size=8) for clip in clips]
    assert sorted(found) == wanted


def test_a_clip_that_is_in_no_shard_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match="no record of 1 clips, among them corpus/absent"):
        list(read_features(folder, ["corpus/clip03", "corpus/absent"], batch_size=8))


def test_the_number_of_shards_is_fixed_and_said(folder: Path) -> None:
    assert len(list(folder.glob("*.tfrecord"))) == 4
    spec = read_spec(folder)
    assert (spec["shards"], spec["clips"], spec["shape"], spec["features"]) == (4, 30, [5, 4], {"kind": "mel"})


def test_the_same_clips_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    write_shards(again, arrays(), shards=4, shape=(5, 4), about={"features": {"kind": "mel"}})
    for path in again.iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()


@pytest.mark.parametrize(
    ("clips", "shards"), [(0, 1), (1, 1), (10, 1), (11, 2), (5_119, 512), (5_121, 512), (10**7, 512)]
)
def test_the_number_of_shards_follows_the_clips_up_to_what_can_be_open_at_once(clips: int, shards: int) -> None:
    assert shards_for(clips, 10) == shards


def test_a_clips_shard_is_the_same_on_every_machine() -> None:
    assert [shard_of(f"ravdess/{number}", 32) for number in range(6)] == [15, 6, 12, 29, 11, 14]


def test_an_array_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"corpus/odd: array of shape \(5, 3\), expected \(5, 4\)"):
        write_shards(tmp_path, [("corpus/odd", np.zeros((5, 3)))], shards=2, shape=(5, 4), about={})


def test_a_folder_without_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder of shards"):
        read_spec(tmp_path)
