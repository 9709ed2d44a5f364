"""Error rates of the voice gate: how much speech it rejects, and how many other sounds it accepts."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import numpy as np

from deepemo.parallel import map_clips
from deepemo.params import VoiceDecision
from deepemo.threads import one_thread_a_product
from deepemo.vad.gate import detect_voice
from deepemo.vad.trials import Trial

MAX_SPEECH_REJECTED = 0.01
MAX_OTHERS_ACCEPTED = 0.03
DIGITS = 4

# Below this number of trials, starting processes takes longer than they save.
_MIN_FOR_PROCESSES = 128
# Trials that a process takes at once.
_CHUNK = 8


@dataclass
class ErrorCount:
    """Wrong decisions among some trials."""

    errors: int = 0
    trials: int = 0

    def add(self, *, wrong: bool) -> None:
        """Count one trial."""
        self.errors += wrong
        self.trials += 1

    @property
    def rate(self) -> float:
        """Share of the trials that were decided wrongly; there must be at least one trial."""
        return self.errors / self.trials


@dataclass
class ErrorRates:
    """Wrong decisions over all trials, and by each value of each label."""

    total: ErrorCount = field(default_factory=ErrorCount)
    by_label: dict[str, dict[str, ErrorCount]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(ErrorCount))
    )

    def to_dict(self, kind: str) -> dict[str, Any]:
        """Plain numbers for a metrics file.

        Args:
            kind: what a wrong decision is: `rejected` or `accepted`.
        """
        worst = max(self.by_label["condition"].values(), key=lambda count: count.rate)
        low, high = wilson_interval(worst.errors, worst.trials)
        return {
            "trials": self.total.trials,
            kind: round(self.total.rate, DIGITS),
            f"{kind}_in_worst_condition": round(worst.rate, DIGITS),
            # An interval needs independent trials, so it is for one condition only: trials of one recording under
            # several conditions are not independent.
            f"{kind}_in_worst_condition_ci95": [round(low, DIGITS), round(high, DIGITS)],
            **{
                f"by_{label}": {value: round(count.rate, DIGITS) for value, count in sorted(counts.items())}
                for label, counts in self.by_label.items()
            },
        }


def measure_error_rates(
    decision: VoiceDecision,
    trials: Iterable[Trial],
    *,
    is_speech: bool,
    name: str = "gate",
    total: int | None = None,
) -> ErrorRates:
    """Let the gate decide on every trial, in processes if there are many, or on a cluster.

    Args:
        decision: the limits of the gate.
        trials: recordings, at least one, each with the label `condition`.
        is_speech: the right answer for all of them.
        name: of the measurement, for the progress bar.
        total: number of trials, for the progress bar.
    """
    stream = iter(trials)
    first = list(islice(stream, _MIN_FOR_PROCESSES))
    rates = ErrorRates()
    with one_thread_a_product():
        decided = map_clips(
            _Decide(decision),
            chain(first, stream),
            name=name,
            total=total,
            workers=(os.cpu_count() or 1) if len(first) == _MIN_FOR_PROCESSES else 1,
            in_processes=True,
            chunk=_CHUNK,
            start=one_thread_a_product,
            unit="trial",
        )
        for labels, is_voice in decided:
            wrong = is_voice != is_speech
            rates.total.add(wrong=wrong)
            for label, value in labels.items():
                rates.by_label[label][value].add(wrong=wrong)
    return rates


@dataclass(frozen=True)
class _Decide:
    """The gate's decision on a trial, with the trial's labels."""

    decision: VoiceDecision

    def __call__(self, trial: Trial) -> tuple[Mapping[str, str], bool]:
        return trial.labels, detect_voice(trial.samples, trial.rate_hz, self.decision).is_voice


def summarize(
    decision: VoiceDecision,
    speech: ErrorRates,
    non_speech: ErrorRates | None,
    made_sounds: ErrorRates,
    *,
    left_out: int = 0,
) -> dict[str, Any]:
    """The measurement as a mapping for JSON: the decision, the goals, whether they are met, and all error rates.

    Args:
        decision: the limits of the gate.
        speech: measured on clips of speech.
        non_speech: measured on recordings without speech; None if there are none.
        made_sounds: measured on sounds computed by this package.
        left_out: how many files among the recordings without speech could not be read.
    """
    others = [rates for rates in (non_speech, made_sounds) if rates is not None]
    return {
        "decision": {
            "threshold": decision.voice_threshold,
            "min_share": decision.min_voice_share,
            "min_seconds": decision.min_voice_seconds,
        },
        "goals": {"speech_rejected": MAX_SPEECH_REJECTED, "others_accepted": MAX_OTHERS_ACCEPTED},
        "goals_met": {
            "speech": speech.total.rate <= MAX_SPEECH_REJECTED,
            "speech_in_every_condition": all(
                count.rate <= MAX_SPEECH_REJECTED for count in speech.by_label["condition"].values()
            ),
            "others": all(rates.total.rate <= MAX_OTHERS_ACCEPTED for rates in others),
        },
        "speech": speech.to_dict("rejected"),
        "non_speech": non_speech and {**non_speech.to_dict("accepted"), "left_out": left_out},
        "made_sounds": made_sounds.to_dict("accepted"),
    }


def wilson_interval(errors: int, trials: int, *, z: float = 1.96) -> tuple[float, float]:
    """Score interval of a rate (Wilson 1927), at 95 % by default; it is valid for rates near 0 too.

    Example:
        >>> low, high = wilson_interval(0, 50)
        >>> f"{low:.3f} to {high:.3f}"
        '0.000 to 0.071'
    """
    rate = errors / trials
    centre = rate + z**2 / (2 * trials)
    spread = z * float(np.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2)))
    scale = 1 + z**2 / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
