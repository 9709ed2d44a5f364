"""Verdicts on inspected recordings: good, or quarantined for one of a fixed list of reasons."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, islice

from deepemo.dataset.clips import GOOD, QUARANTINED, Clip
from deepemo.dataset.inspect import Inspection
from deepemo.emotions import EMOTIONS
from deepemo.params import Validate

# In order of precedence: if several reasons apply, the first one is given.
REASONS = (
    "undecodable",
    "empty",
    "not_finite",
    "truncated",
    "unknown_name",
    "song",
    "other_emotion",
    "low_agreement",
    "silent",
    "too_short",
    "too_long",
    "clipped",
    "no_voice",
    "contradicting_labels",
    "repeated_name",
    "duplicate_content",
    "same_performance",
)
# Maximum number of contradicting clips that an explanation names.
_NAMED = 10
_PRECEDENCE = {reason: position for position, reason in enumerate(REASONS)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A clip with its verdict.

    Attributes:
        clip: the row of the clip table.
        faults: every reason that applies, with its explanation, in order of precedence.
        has_voice: whether the voice gate accepts it; false if it could not be decoded.
    """

    clip: Clip
    faults: dict[str, str]
    has_voice: bool


def pass_verdicts(inspections: Iterable[Inspection], limits: Validate) -> list[Verdict]:
    """Judge every recording, first by itself, then in comparison with the others.

    Recordings with the same samples and different emotions are all quarantined, because nothing shows which label is
    true. Of the recordings with the same samples and emotion, with the same name, or of the same performance, only one
    stays good: the one that the corpus prefers, or else the first by clip and member. Clips that share a name are
    numbered (`corpus/name`, `corpus/name~2`), the good one first.

    Args:
        inspections: of all recordings.
        limits: when a clip is quarantined.

    Returns:
        One verdict per recording, ordered by corpus, clip and member.
    """
    ordered = sorted(inspections, key=lambda found: (found.clip.corpus, found.clip.clip, found.clip.member))
    faults = [{**found.faults, **_faults_by_itself(found, limits)} for found in ordered]
    clips = [found.clip for found in ordered]
    _add_contradictions(clips, faults)
    _add_repeats(clips, faults, "duplicate_content", [clip.sha256 for clip in clips])
    _add_repeats(clips, faults, "repeated_name", [clip.clip for clip in clips])
    _add_repeats(clips, faults, "same_performance", [clip.performance for clip in clips])
    return _with_unique_ids([_verdict(clip, found, limits) for clip, found in zip(clips, faults, strict=True)])


def hears_voice(clip: Clip, limits: Validate) -> bool:
    """Whether enough of the clip is speech, by share and by the longest run."""
    return clip.voice_share >= limits.min_voice_share and clip.voice_seconds >= limits.min_voice_seconds


def _faults_by_itself(found: Inspection, limits: Validate) -> dict[str, str]:
    clip = found.clip
    faults = {}
    if not found.is_speech:
        faults["song"] = "its name says that it is sung"
    if clip.emotion and clip.emotion not in EMOTIONS:
        faults["other_emotion"] = f"{clip.emotion} is none of the seven"
    if limits.min_agreement is not None and clip.agreement is not None and clip.agreement < limits.min_agreement:
        faults["low_agreement"] = (
            f"{clip.agreement:.0%} of its listeners heard {clip.emotion}, below {limits.min_agreement:.0%}"
        )
    if not clip.sha256:
        return faults
    if clip.rms_dbfs < limits.silent_below_dbfs:
        faults["silent"] = f"{clip.rms_dbfs:g} dBFS, below {limits.silent_below_dbfs:g}"
    if clip.seconds < limits.min_seconds:
        faults["too_short"] = f"{clip.seconds:g} s, below {limits.min_seconds:g}"
    if clip.seconds > limits.max_seconds:
        faults["too_long"] = f"{clip.seconds:g} s, above {limits.max_seconds:g}"
    if clip.clipped_share > limits.max_clipped_share:
        faults["clipped"] = f"{clip.clipped_share:.2%} of samples at full scale, above {limits.max_clipped_share:.2%}"
    if limits.exclude_no_voice and not hears_voice(clip, limits):
        faults["no_voice"] = (
            f"speech in {clip.voice_share:.1%} of frames, the longest run {clip.voice_seconds:g} s; "
            f"expected {limits.min_voice_share:.1%} and {limits.min_voice_seconds:g} s"
        )
    return faults


def _add_contradictions(clips: Sequence[Clip], faults: list[dict[str, str]]) -> None:
    groups = defaultdict(list)
    for position, clip in enumerate(clips):
        if clip.sha256 and clip.emotion:
            groups[clip.sha256].append(position)
    for positions in groups.values():
        # There may be many blank recordings, so each explanation names only a few of the others.
        emotions = Counter(clips[position].emotion for position in positions)
        if len(emotions) > 1:
            same_as = {emotion: _named_others(emotion, clips, positions, emotions) for emotion in emotions}
            for position in positions:
                faults[position]["contradicting_labels"] = f"same samples as {same_as[clips[position].emotion]}"


def _named_others(emotion: str, clips: Sequence[Clip], positions: Sequence[int], emotions: Counter[str]) -> str:
    """The first clips of a group that have another emotion, in words, and how many more there are."""
    others = (clips[position] for position in positions if clips[position].emotion != emotion)
    named = ", ".join(f"{other.clip} ({other.emotion})" for other in islice(others, _NAMED))
    more = emotions.total() - emotions[emotion] - _NAMED
    return f"{named} and {more} more" if more > 0 else named


def _add_repeats(clips: Sequence[Clip], faults: list[dict[str, str]], reason: str, keys: Sequence[str]) -> None:
    groups = defaultdict(list)
    for position, key in enumerate(keys):
        if key and not faults[position]:
            groups[key].append(position)
    for positions in groups.values():
        first, *others = sorted(positions, key=lambda position: clips[position].clip != clips[position].performance)
        for position in others:
            faults[position][reason] = f"as {clips[first].clip} in {clips[first].member}, which is kept"


def _verdict(clip: Clip, faults: dict[str, str], limits: Validate) -> Verdict:
    by_precedence = dict(sorted(faults.items(), key=lambda fault: _PRECEDENCE[fault[0]]))
    reason = next(iter(by_precedence), "")
    # A clip without a fault is not copied: in a table of millions, most clips have none.
    judged = replace(clip, verdict=QUARANTINED, reason=reason) if reason else clip
    return Verdict(clip=judged, faults=by_precedence, has_voice=bool(clip.sha256) and hears_voice(clip, limits))


def _with_unique_ids(verdicts: Sequence[Verdict]) -> list[Verdict]:
    groups = defaultdict(list)
    for verdict in verdicts:
        groups[verdict.clip.clip].append(verdict)
    numbered = []
    for name, sharing in groups.items():
        # A file may already have a name that ends in `~2`.
        free = (f"{name}~{number}" for number in count(2) if f"{name}~{number}" not in groups)
        ids = chain([name], free)
        for verdict, unique in zip(sorted(sharing, key=lambda each: each.clip.verdict != GOOD), ids, strict=False):
            kept = unique == name
            numbered.append(verdict if kept else replace(verdict, clip=replace(verdict.clip, clip=unique)))
    return numbered
