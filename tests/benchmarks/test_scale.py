"""Rates of several processes count what they did together, and nothing of their start."""

import pytest

from benchmarks.scale import Done, report, steady_rate

# One process is ready a second before the other; then each does an item of two clips a second.
DONE = [Done(1, 10.0, 2, None), Done(1, 11.0, 2, None), Done(2, 11.0, 2, None)] + [
    Done(process, 11.0 + second, 2, None) for second in (1, 2, 3) for process in (1, 2)
]


def test_the_start_of_the_last_process_is_where_a_rate_begins() -> None:
    assert steady_rate(DONE, 14.0) == pytest.approx(4.0)
    # Results that are late lower it.
    assert steady_rate(DONE, 17.0) == pytest.approx(2.0)


def test_a_rate_of_processes_that_did_not_all_work_is_none() -> None:
    with pytest.raises(ValueError, match="1 processes did all the work, expected 2: measure on more clips"):
        steady_rate([one for one in DONE if one.process == 1], 14.0)


def test_the_report_has_ratios_to_one_thread_and_of_dask_to_processes() -> None:
    rates = {
        "validate": {"1 thread": 50.0, "2 threads": 75.0, "2 processes": 100.0, "Dask, 2 workers": 95.0},
        "nothing": {"2 processes": 32000.0, "Dask, 2 workers": 3200.0},
    }
    text = report(rates, 90_000)
    assert "| validate | 50.0 | 75.0 (1.50x) | 100.0 (2.00x) | 95.0 (1.90x) | -5 % |" in text
    assert "A chunk of 32 recordings of 90 kB" in text
    assert "takes 1.0 ms by processes and 10.0 ms by Dask" in text
