"""The section of the model card on the voice gate."""

from collections.abc import Iterable, Mapping
from typing import Any

from deepemo.reporting.markdown import per_cent, table

DECISION = """\
Before a model is asked about a recording of somebody's own, Silero VAD, another network, decides whether anybody speaks
in it: {min_voice_share:.0%} of the 32 ms frames, and one unbroken run of {min_voice_seconds:g} s, must reach a
probability of {voice_threshold:g}.
"""
SECOND = """\
What passes is judged a second time by `{family}`, if the predictor has that network: a linear discriminant on the
components of its embedding decides between speech and other sounds. It learned from training clips, some of which are
among the clips of speech below, and from made sounds of the same kinds as those below. Its recipe was chosen on
recordings of the ten kinds named below, and of other animals, drums, and effects of games.
"""
WITHOUT = "Without this second opinion, the gate would have {errors}."
TRIALS = """\
Speech is clips of this run: as recorded, at three levels down to -40 dBFS, and under white and pink noise up to as loud
as the voice. Made sounds are noises, tones, chirps, clicks and chords at two levels. In brackets: 95 % intervals.\
"""
NO_RECORDINGS = """ Real recordings without speech are missing here, because
`gate.non_speech_dir` names no folder of them."""
# Folders of the recordings on which the gate's limits were chosen: docs/voice-gate.md.
SHOWN_KINDS = (
    "baby_cry",
    "chainsaw",
    "clock_tick",
    "dog_bark",
    "fire_crackling",
    "helicopter",
    "person_sneeze",
    "rain",
    "rooster",
    "sea_waves",
)
CHOSEN = """\
The limits of Silero's decision were chosen on speech and on recordings of ten kinds of sounds: {kinds}.
Neither these limits nor a second opinion were chosen on other kinds, such as music, singing, laughter, coughs, and most
machines.\
"""
WHAT = {"speech": "the speech", "non_speech": "the recordings without speech", "made_sounds": "the made sounds"}
SPEECH_LABELS = ("by_emotion", "by_gender", "by_corpus")


def voice_gate(measured: Mapping[str, Any]) -> str:
    """Limits of the voice gate, its error rates beside the goals, and where the errors are.

    Args:
        measured: content of metrics/gate.json, see `deepemo.vad.error_rates.summarize`.
    """
    speech, non_speech, made = measured["speech"], measured["non_speech"], measured["made_sounds"]
    rejected_goal = f"at most {per_cent(measured['goals']['speech_rejected'])}"
    accepted_goal = f"at most {per_cent(measured['goals']['others_accepted'])}"
    rows = [
        ("speech rejected", speech["trials"], per_cent(speech["rejected"]), rejected_goal),
        (f"... in its worst condition{_worst_condition(speech)}", "", _worst_rate(speech, "rejected"), rejected_goal),
    ]
    if non_speech:
        rate = _worst_rate(non_speech, "accepted")  # there is only one condition
        rows.append(("recordings without speech accepted", non_speech["trials"], rate, accepted_goal))
    rows.append(("made sounds accepted", made["trials"], per_cent(made["accepted"]), accepted_goal))
    rates = table(("", "trials", "wrong", "goal"), rows)
    accepted = {**(non_speech or {}).get("by_class", {}), **made["by_kind"]}
    rejected = {name: rate for label in SPEECH_LABELS for name, rate in speech[label].items()}
    trials = TRIALS if non_speech else TRIALS + NO_RECORDINGS
    return (
        f"{DECISION.format(**measured['decision'])}{_second(measured)}\n{rates}\n\n{trials}\n\n"
        f"Speech rejected, by emotion, gender and corpus: {_nonzero(rejected)}.\n\n"
        f"Taken for a voice, of the recordings and sounds of a kind: {_nonzero(accepted)}.\n\n"
        f"{CHOSEN.format(kinds=_names(SHOWN_KINDS))}{_never_shown(non_speech)}\n"
    )


def _second(measured: Mapping[str, Any]) -> str:
    """What the second opinion is, and the error rates without it; empty if there is none."""
    if measured["second_opinion"] is None:
        return ""
    without = {"speech": "rejected", "non_speech": "accepted", "made_sounds": "accepted"}
    errors = [
        f"{kind} {per_cent(measured[group][f'{kind}_without_second_opinion'])} of {WHAT[group]}"
        for group, kind in without.items()
        if measured[group]
    ]
    told = WITHOUT.format(errors=f"{', '.join(errors[:-1])} and {errors[-1]}")
    return f"\n{SECOND.format(family=measured['second_opinion'])}{told}\n"


def _never_shown(non_speech: Mapping[str, Any] | None) -> str:
    """A sentence on the measured kinds of recordings on which the limits were not chosen; empty if there are none."""
    unknown = sorted(set((non_speech or {}).get("by_class", {})).difference(SHOWN_KINDS))
    return f" Of the kinds that were measured, the limits were not chosen on: {_names(unknown)}." if unknown else ""


def _names(kinds: Iterable[str]) -> str:
    return ", ".join(kind.replace("_", " ") for kind in kinds)


def _worst_condition(measured: Mapping[str, Any]) -> str:
    """Name of the worst condition; empty if no condition has errors."""
    rates = measured["by_condition"]
    worst = max(rates, key=rates.get).replace("_dbfs", " dBFS").replace("_db", " dB").replace("_", " ")
    return f", {worst}" if any(rates.values()) else ""


def _worst_rate(measured: Mapping[str, Any], kind: str) -> str:
    low, high = measured[f"{kind}_in_worst_condition_ci95"]
    return f"{per_cent(measured[f'{kind}_in_worst_condition'])} ({100 * low:.1f} to {100 * high:.1f})"


def _nonzero(rates: Mapping[str, float]) -> str:
    """Rates above zero with their names, the highest first."""
    worst_first = sorted(((rate, name) for name, rate in rates.items() if rate > 0), key=lambda pair: -pair[0])
    return ", ".join(f"{name.replace('_', ' ')} {per_cent(rate)}" for rate, name in worst_first) or "none"
