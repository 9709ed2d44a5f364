"""The threat model names a test in every row, and each test exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_row_of_the_threat_model_names_tests_that_exist() -> None:
    text = (ROOT / "docs/threat-model.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(tests/[^`:]+)::(\w+)`", row[-1])
        assert named, row[0]
        for file, test in named:
            assert f"def {test}(" in (ROOT / file).read_text(), f"{file}: {test}"
