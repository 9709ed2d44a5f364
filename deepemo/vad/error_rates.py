"""Error rates of the voice gate: how much speech it rejects, and how many other sounds it accepts."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, tee
from typing import Any

import numpy as np
import numpy.typing as npt

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
# Trials that the second opinion is asked about at once.
_ASKED_TOGETHER = 16

# Tells whether each trial is speech, bool [n]. It is asked only about the trials that the gate accepts.
SecondOpinion = Callable[[Sequence[Trial]], npt.NDArray[np.bool_]]


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
    """Wrong decisions over all trials, and by each value of each label.

    Attributes:
        total: over all trials.
        first: over all trials, without the second opinion.
        by_label: by each value of each label.
    """

    total: ErrorCount = field(default_factory=ErrorCount)
    first: ErrorCount = field(default_factory=ErrorCount)
    by_label: dict[str, dict[str, ErrorCount]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(ErrorCount))
    )

    def add(self, labels: Mapping[str, str], *, wrong: bool, first_wrong: bool) -> None:
        """Count one trial.

        Args:
            labels: of the trial.
            wrong: whether the decision is wrong.
            first_wrong: whether the first opinion alone is wrong.
        """
        self.total.add(wrong=wrong)
        self.first.add(wrong=first_wrong)
        for label, value in labels.items():
            self.by_label[label][value].add(wrong=wrong)

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
            f"{kind}_without_second_opinion": round(self.first.rate, DIGITS),
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
    second: SecondOpinion | None = None,
    name: str = "gate",
    total: int | None = None,
) -> ErrorRates:
    """Let the gate decide on every trial, in several processes if there are many trials, or on a cluster.

    Args:
        decision: the limits of the gate.
        trials: recordings, at least one, each with the label `condition`.
        is_speech: the right answer for all of them.
        second: the second opinion on the trials that the gate accepts; None to ask nobody.
        name: of the measurement, for the progress bar.
        total: number of trials, for the progress bar.
    """
    stream = iter(trials)
    first = list(islice(stream, _MIN_FOR_PROCESSES))
    # Trials are kept until they are decided.
    sent, kept = tee(chain(first, stream))
    rates = ErrorRates()
    with one_thread_a_product():
        decided = map_clips(
            _Decide(decision),
            sent,
            name=name,
            total=total,
            workers=(os.cpu_count() or 1) if len(first) == _MIN_FOR_PROCESSES else 1,
            in_processes=True,
            chunk=_CHUNK,
            start=one_thread_a_product,
            unit="trial",
        )
        for trial, is_voice, is_accepted in _with_second(zip(kept, decided, strict=True), second):
            rates.add(trial.labels, wrong=is_accepted != is_speech, first_wrong=is_voice != is_speech)
    return rates


def _with_second(
    decided: Iterator[tuple[Trial, bool]], second: SecondOpinion | None
) -> Iterator[tuple[Trial, bool, bool]]:
    """Each trial, whether the gate accepts it, and whether the second opinion accepts it too."""
    while batch := list(islice(decided, _ASKED_TOGETHER)):
        asked = [trial for trial, is_voice in batch if is_voice]
        accepted = iter(second(asked) if second and asked else [True] * len(asked))
        for trial, is_voice in batch:
            yield trial, is_voice, is_voice and bool(next(accepted))


@dataclass(frozen=True)
class _Decide:
    """The gate's decision on a trial."""

    decision: VoiceDecision

    def __call__(self, trial: Trial) -> bool:
        return detect_voice(trial.samples, trial.rate_hz, self.decision).is_voice


def summarize(
    decision: VoiceDecision,
    speech: ErrorRates,
    non_speech: ErrorRates | None,
    made_sounds: ErrorRates,
    *,
    second: str | None = None,
    left_out: int = 0,
) -> dict[str, Any]:
    """The measurement as a mapping for JSON: the decision, the goals, whether they are met, and all error rates.

    Args:
        decision: the limits of the gate.
        speech: measured on clips of speech.
        non_speech: measured on recordings without speech; None if there are none.
        made_sounds: measured on sounds computed by this package.
        second: model family of the second opinion; None if nobody was asked.
        left_out: how many files among the recordings without speech could not be read.
    """
    others = [rates for rates in (non_speech, made_sounds) if rates is not None]
    return {
        "decision": decision.model_dump(include=set(VoiceDecision.model_fields)),
        "second_opinion": second,
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
