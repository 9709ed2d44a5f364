"""Measure the voice gate: how much speech it turns away, and how much else it lets pass."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from deepemo.audio.voice import VoiceGate
from deepemo.learning.gate_trials import Trial

MOST_SPEECH_REJECTED = 0.01
MOST_OTHERS_ACCEPTED = 0.03
DIGITS = 4


@dataclass
class Tally:
    """How many of some recordings the gate took for what they are not."""

    wrong: int = 0
    recordings: int = 0

    def add(self, *, wrong: bool) -> None:
        """Count one recording."""
        self.wrong += wrong
        self.recordings += 1

    @property
    def share(self) -> float:
        """Share that was taken wrongly; at least one recording must be counted."""
        return self.wrong / self.recordings


@dataclass
class Figures:
    """Wrong decisions over all trials, and by every value of every label."""

    total: Tally = field(default_factory=Tally)
    by_label: dict[str, dict[str, Tally]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Tally)))

    def to_dict(self, wrongly: str) -> dict[str, Any]:
        """Plain numbers for a metrics file.

        Args:
            wrongly: what a wrong decision is: `rejected` or `accepted`.
        """
        worst = max(self.by_label["condition"].values(), key=lambda tally: tally.share)
        low, high = wilson_interval(worst.wrong, worst.recordings)
        return {
            "trials": self.total.recordings,
            wrongly: round(self.total.share, DIGITS),
            f"{wrongly}_in_worst_condition": round(worst.share, DIGITS),
            # Of one condition alone: the trials of one recording under several conditions are not independent.
            f"{wrongly}_in_worst_condition_ci95": [round(low, DIGITS), round(high, DIGITS)],
            **{
                f"by_{label}": {value: round(tally.share, DIGITS) for value, tally in sorted(tallies.items())}
                for label, tallies in self.by_label.items()
            },
        }


def measure(gate: VoiceGate, trials: Iterable[Trial], *, is_speech: bool) -> Figures:
    """Let the gate decide on every trial.

    Args:
        gate: what decides.
        trials: recordings, one at least, each labelled with its condition.
        is_speech: the truth about all of them.
    """
    figures = Figures()
    # The matrix products are so small that threads wait for each other longer than they compute, on busy cores most.
    with threadpool_limits(1, user_api="blas"):
        for trial in trials:
            wrong = gate(trial.samples, trial.rate_hz).is_voice != is_speech
            figures.total.add(wrong=wrong)
            for label, value in trial.labels.items():
                figures.by_label[label][value].add(wrong=wrong)
    return figures


def summarize(
    gate: VoiceGate, speech: Figures, non_speech: Figures | None, made_sounds: Figures, *, left_out: int = 0
) -> dict[str, Any]:
    """Content of metrics/gate.json: the decision, the goals, whether they are met, and the figures.

    Args:
        gate: what decided.
        speech: its decisions on speech.
        non_speech: its decisions on recordings without speech, if there are any.
        made_sounds: its decisions on made sounds.
        left_out: how many files among the recordings without speech could not be read.
    """
    others = [figures for figures in (non_speech, made_sounds) if figures is not None]
    return {
        "decision": {"threshold": gate.threshold, "min_share": gate.min_share, "min_seconds": gate.min_seconds},
        "goals": {"speech_rejected": MOST_SPEECH_REJECTED, "others_accepted": MOST_OTHERS_ACCEPTED},
        "goals_met": {
            "speech": speech.total.share <= MOST_SPEECH_REJECTED,
            "speech_in_every_condition": all(
                tally.share <= MOST_SPEECH_REJECTED for tally in speech.by_label["condition"].values()
            ),
            "others": all(figures.total.share <= MOST_OTHERS_ACCEPTED for figures in others),
        },
        "speech": speech.to_dict("rejected"),
        "non_speech": non_speech and {**non_speech.to_dict("accepted"), "left_out": left_out},
        "made_sounds": made_sounds.to_dict("accepted"),
    }


def wilson_interval(wrong: int, total: int, *, z: float = 1.96) -> tuple[float, float]:
    """Interval of a share from its score (Wilson 1927), at 95 % by default; it holds for shares near 0 too."""
    share = wrong / total
    centre = share + z**2 / (2 * total)
    spread = z * float(np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2)))
    scale = 1 + z**2 / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
