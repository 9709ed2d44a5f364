"""The model card's account of the voice gate: what it asks for, how often it errs, and on what."""

from collections.abc import Mapping
from typing import Any

from deepemo.reporting.markdown import per_cent, table

DECISION = """\
Before a model is asked about a recording of somebody's own, a second one, Silero VAD, decides whether anybody speaks in
it: {min_share:.0%} of the 32 ms frames, and one unbroken run of {min_seconds:g} s, must reach a probability of
{threshold:g}.
"""
TRIALS = """\
Speech is clips of this run: as recorded, at three levels down to -40 dBFS, and under white and pink noise up to as loud
as the voice. Made sounds are noises, tones, chirps, clicks and chords at two levels. In brackets: 95 % intervals.\
"""
NO_RECORDINGS = """ Real recordings without speech are missing here, because
`gate.non_speech_dir` names no folder of them."""
BROKEN_DOWN = ("by_emotion", "by_gender", "by_corpus")


def gate(figures: Mapping[str, Any]) -> str:
    """The decision, its errors beside the goals, and where they lie.

    Args:
        figures: content of metrics/gate.json.
    """
    speech, non_speech, made = figures["speech"], figures["non_speech"], figures["made_sounds"]
    most_rejected = f"at most {per_cent(figures['goals']['speech_rejected'])}"
    most_accepted = f"at most {per_cent(figures['goals']['others_accepted'])}"
    rows = [
        ("speech rejected", speech["trials"], per_cent(speech["rejected"]), most_rejected),
        (f"... in its worst condition{_named(speech)}", "", _worst(speech, "rejected"), most_rejected),
    ]
    if non_speech:
        share = _worst(non_speech, "accepted")  # there is one condition, and it has the interval
        rows.append(("recordings without speech accepted", non_speech["trials"], share, most_accepted))
    rows.append(("made sounds accepted", made["trials"], per_cent(made["accepted"]), most_accepted))
    listed = table(("", "trials", "wrong", "goal"), rows)
    accepted = {**(non_speech or {}).get("by_class", {}), **made["by_kind"]}
    rejected = {name: share for label in BROKEN_DOWN for name, share in speech[label].items()}
    said = TRIALS if non_speech else TRIALS + NO_RECORDINGS
    return (
        f"{DECISION.format(**figures['decision'])}\n{listed}\n\n{said}\n\n"
        f"Speech rejected, by emotion, gender and corpus: {_wrong(rejected)}.\n\n"
        f"Taken for a voice, of the recordings and sounds of a kind: {_wrong(accepted)}.\n"
    )


def _named(found: Mapping[str, Any]) -> str:
    """The worst condition, where one is worse than the others."""
    shares = found["by_condition"]
    worst = max(shares, key=shares.get).replace("_dbfs", " dBFS").replace("_db", " dB").replace("_", " ")
    return f", {worst}" if any(shares.values()) else ""


def _worst(found: Mapping[str, Any], wrongly: str) -> str:
    low, high = found[f"{wrongly}_in_worst_condition_ci95"]
    return f"{per_cent(found[f'{wrongly}_in_worst_condition'])} ({100 * low:.1f} to {100 * high:.1f})"


def _wrong(shares: Mapping[str, float]) -> str:
    """What is not always decided rightly, the worst first."""
    wrong = sorted(((share, name) for name, share in shares.items() if share > 0), key=lambda found: -found[0])
    return ", ".join(f"{name.replace('_', ' ')} {per_cent(share)}" for share, name in wrong) or "none"
