"""Mixed precision, in a process of its own as a stage has it: the cases are in precision_cases.py.

oneDNN multiplies bfloat16 only with instructions beyond AVX2. Other tests of this process import the stages, which
limit it to AVX2, after TensorFlow has decided to use it.
"""

import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("precision_cases.py")


@pytest.mark.slow
def test_mixed_precision_under_the_pins_of_a_stage() -> None:
    code = "import stages, sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    run = subprocess.run(
        [sys.executable, "-c", code, "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(CASES)],
        cwd=CASES.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert " passed" in run.stdout or "100%" in run.stdout
