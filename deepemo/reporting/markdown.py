"""Markdown, the little of it that a report needs."""

import math
from collections.abc import Iterable, Sequence

from deepemo.evaluation.comparison import Difference
from deepemo.evaluation.groups import Estimate


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table whose first column is text and whose others are figures, aligned right."""
    lines = [list(header), ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def per_cent(value: float | None) -> str:
    """A share in per cent, a dash for none."""
    return "-" if value is None or math.isnan(value) else f"{100 * value:.1f} %"


def estimate(found: Estimate) -> str:
    """A share with its interval, in per cent."""
    if math.isnan(found.low):
        return per_cent(found.value)
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})"


def points(found: Estimate | Difference) -> str:
    """A difference of shares with its interval, in points."""
    if math.isnan(found.low):
        return f"{100 * found.value:+.1f}"
    return f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
