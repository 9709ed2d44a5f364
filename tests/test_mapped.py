"""Arrays in files without a name: like arrays in memory, gone with their last use, and no part of private memory."""

import gc
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deepemo import mapped as module
from deepemo.errors import InputError
from deepemo.files import RESUME
from deepemo.mapped import BLOCK, blocks, mapped, mapped_rows


@pytest.fixture(autouse=True)
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def used_bytes(folder: Path) -> int:
    """Bytes of files without a name that this process holds open or mapped in a folder."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    sizes = [
        int(lines[number + 1].split()[1])
        for number, line in enumerate(lines)
        if str(folder.resolve()) in line and line.endswith("(deleted)")
    ]
    return 1024 * sum(sizes)


def test_it_is_an_array_of_zeros_that_keeps_what_is_written() -> None:
    values = mapped((3, 4), np.float32)
    assert type(values) is np.ndarray
    assert (values.shape, values.dtype, values.any()) == ((3, 4), np.float32, False)
    values[1] = [1, 2, 3, 4]
    np.testing.assert_array_equal(values.sum(axis=1), [0, 10, 0])


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0), (2, 0, 3)])
def test_an_empty_one_needs_no_file(shape: tuple[int, ...]) -> None:
    assert mapped(shape, np.float32).shape == shape
    assert not RESUME.exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_its_file_has_no_name_and_ends_with_its_last_use() -> None:
    values = mapped((1000, 1000), np.float64)
    part = values[10:20]
    assert list(RESUME.iterdir()) == []
    assert used_bytes(RESUME) >= 8_000_000
    del values
    gc.collect()
    assert used_bytes(RESUME) >= 8_000_000, "a part of it is in use"
    del part
    gc.collect()
    assert used_bytes(RESUME) == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits private memory")
def test_more_than_the_limit_of_private_memory_may_be_mapped() -> None:
    code = """
import resource
import numpy as np
from deepemo.mapped import blocks, mapped
held = int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmData"))) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (held + 64 * 2**20, held + 64 * 2**20))
values = mapped((100_000, 512), np.float32)
for rows in blocks(len(values)):
    values[rows] = 1
assert values[:: 9999].sum() == 512 * 11
try:
    np.ones((100_000, 512), np.float32)
except MemoryError:
    print("the limit holds")
"""
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert answer.stdout == "the limit holds\n"
    assert list(RESUME.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_disk_without_room_is_told_before_anything_is_written() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(InputError, match=r"\.resume: cannot be written: File too large; make room and run again"):
            mapped((1 << 20, 4), np.float32)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, kept)
    assert list(RESUME.iterdir()) == []


@pytest.mark.parametrize("rows", [0, 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_blocks_hold_every_row_once_and_in_order(rows: int) -> None:
    found = [np.arange(rows)[part] for part in blocks(rows)]
    assert all(0 < len(part) <= BLOCK for part in found)
    np.testing.assert_array_equal(np.concatenate([np.arange(0), *found]), np.arange(rows))


def test_chosen_rows_are_copied_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 4)
    values = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    chosen = np.arange(30) % 3 == 1
    copied = mapped_rows(values, chosen)
    np.testing.assert_array_equal(copied, values[chosen])
    copied[:] = 0
    assert values[chosen].all()
