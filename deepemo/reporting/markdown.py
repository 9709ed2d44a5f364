"""Tables and numbers in Markdown."""

import math
from collections.abc import Iterable, Sequence

from deepemo.evaluation.comparison import Difference
from deepemo.evaluation.groups import Estimate


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table whose first column is aligned left and all others right.

    Example:
        >>> print(table(("corpus", "clips"), [("tess", 2800)]))
        | corpus | clips |
        | --- | ---: |
        | tess | 2800 |
    """
    lines = [list(header), ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def per_cent(value: float | None) -> str:
    """A share in per cent; a dash for None and NaN.

    Example:
        >>> per_cent(0.5), per_cent(None)
        ('50.0 %', '-')
    """
    return "-" if value is None or math.isnan(value) else f"{100 * value:.1f} %"


def estimate(found: Estimate) -> str:
    """A share in per cent with its interval."""
    if math.isnan(found.low):
        return per_cent(found.value)
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})"


def points(found: Estimate | Difference) -> str:
    """A difference of shares in percentage points with its interval."""
    if math.isnan(found.low):
        return f"{100 * found.value:+.1f}"
    return f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
