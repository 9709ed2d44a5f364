import itertools

import pytest

from deepemo.dataset.clips import GOOD, QUARANTINED, Clip
from deepemo.dataset.inspect import Inspection
from deepemo.dataset.verdicts import REASONS, Verdict, pass_verdicts
from deepemo.params import Validate

LIMITS = Validate(
    min_seconds=0.5,
    max_seconds=20.0,
    silent_below_dbfs=-75.0,
    max_clipped_share=0.1,
    voice_threshold=0.5,
    min_voice_share=0.1,
    min_voice_seconds=0.3,
    exclude_no_voice=True,
    min_agreement=None,
)
SERIAL = itertools.count()


def found(
    name: str = "", *, is_speech: bool = True, faults: dict[str, str] | None = None, **values: object
) -> Inspection:
    """A good recording, except for the given changes."""
    stem = name or f"clip{next(SERIAL)}"
    measured = {
        "clip": f"toy/{stem}",
        "corpus": "toy",
        "member": f"{stem}.wav",
        "speaker": "toy/AB",
        "emotion": "angry",
        "seconds": 2.0,
        "rms_dbfs": -30.0,
        "voice_share": 0.6,
        "voice_seconds": 1.0,
        "sha256": f"digest of {stem}",
    }
    return Inspection(clip=Clip(**(measured | values)), is_speech=is_speech, faults=faults or {})


def judged(*inspections: Inspection, limits: Validate = LIMITS) -> dict[str, Verdict]:
    return {verdict.clip.member: verdict for verdict in pass_verdicts(inspections, limits)}


def reason_of(inspection: Inspection, limits: Validate = LIMITS) -> str:
    return pass_verdicts([inspection], limits)[0].clip.reason


def test_a_good_clip_is_good() -> None:
    (verdict,) = pass_verdicts([found()], LIMITS)
    assert (verdict.clip.verdict, verdict.clip.reason, verdict.faults, verdict.has_voice) == (GOOD, "", {}, True)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"is_speech": False}, "song"),
        ({"emotion": "calm"}, "other_emotion"),
        ({"rms_dbfs": -75.01}, "silent"),
        ({"rms_dbfs": -75.0}, ""),
        ({"seconds": 0.499}, "too_short"),
        ({"seconds": 0.5}, ""),
        ({"seconds": 20.01}, "too_long"),
        ({"seconds": 20.0}, ""),
        ({"clipped_share": 0.1001}, "clipped"),
        ({"clipped_share": 0.1}, ""),
        ({"voice_share": 0.09}, "no_voice"),
        ({"voice_seconds": 0.29}, "no_voice"),
        ({"voice_share": 0.1, "voice_seconds": 0.3}, ""),
    ],
)
def test_limits_are_the_last_values_allowed(values: dict[str, object], reason: str) -> None:
    assert reason_of(found(**values)) == reason


@pytest.mark.parametrize("reason", ["undecodable", "empty", "not_finite", "truncated", "unknown_name", "too_long"])
def test_what_was_found_while_reading_is_kept_with_its_words(reason: str) -> None:
    (verdict,) = pass_verdicts([found(faults={reason: "as found"}, sha256="")], LIMITS)
    assert (verdict.clip.verdict, verdict.clip.reason) == (QUARANTINED, reason)
    assert verdict.faults == {reason: "as found"}


def test_a_clip_without_a_voice_is_only_reported_unless_params_exclude_it() -> None:
    reporting = LIMITS.model_copy(update={"exclude_no_voice": False})
    (verdict,) = pass_verdicts([found(voice_share=0.0, voice_seconds=0.0)], reporting)
    assert (verdict.clip.verdict, verdict.has_voice) == (GOOD, False)


def test_of_several_reasons_the_first_of_the_list_is_given_and_all_are_kept() -> None:
    bad = found(
        is_speech=False,
        faults={"truncated": "cut", "unknown_name": "name"},
        emotion="calm",
        rms_dbfs=-240.0,
        seconds=0.1,
        clipped_share=1.0,
        voice_share=0.0,
    )
    (verdict,) = pass_verdicts([bad], LIMITS)
    assert verdict.clip.reason == "truncated"
    assert list(verdict.faults) == sorted(verdict.faults, key=REASONS.index)
    assert len(verdict.faults) == 8


def test_what_could_not_be_decoded_is_not_called_silent_or_short_too() -> None:
    verdict = pass_verdicts([found(faults={"undecodable": "x"}, sha256="", seconds=0.0, rms_dbfs=-240.0)], LIMITS)[0]
    assert list(verdict.faults) == ["undecodable"]


def test_of_the_same_samples_under_one_label_the_first_good_clip_is_kept() -> None:
    verdicts = judged(
        found("c", sha256="same"), found("a", sha256="same", is_speech=False), found("b", sha256="same"), found("d")
    )
    assert {member: verdict.clip.reason for member, verdict in verdicts.items()} == {
        "a.wav": "song",
        "b.wav": "",
        "c.wav": "duplicate_content",
        "d.wav": "",
    }
    assert "toy/b in b.wav" in verdicts["c.wav"].faults["duplicate_content"]


def test_of_the_same_samples_under_two_labels_all_are_quarantined() -> None:
    verdicts = judged(
        found("a", sha256="same", emotion="sad"),
        found("b", sha256="same", emotion="angry"),
        found("c", sha256="same", emotion="sad"),
    )
    assert {verdict.clip.reason for verdict in verdicts.values()} == {"contradicting_labels"}
    assert verdicts["a.wav"].faults["contradicting_labels"] == "same samples as toy/b (angry)"
    assert verdicts["b.wav"].faults["contradicting_labels"] == "same samples as toy/a (sad), toy/c (sad)"


def test_of_many_blank_recordings_each_names_a_few_others_and_counts_the_rest() -> None:
    blanks = [found(f"{number:03d}", sha256="blank", emotion=("sad", "fear")[number % 2]) for number in range(200)]
    verdicts = judged(*blanks, found("x", sha256="blank", emotion="happy"))
    of_sad, of_happy = (verdicts[name].faults["contradicting_labels"] for name in ("000.wav", "x.wav"))
    fearful = ", ".join(f"toy/{number:03d} (fear)" for number in range(1, 20, 2))
    assert of_sad == f"same samples as {fearful} and 91 more"
    assert of_happy.startswith("same samples as toy/000 (sad), toy/001 (fear), ")
    assert of_happy.endswith(", toy/009 (fear) and 190 more")


def test_as_many_others_as_are_named_are_all_of_them() -> None:
    copies = [found(f"{number:02d}", sha256="same", emotion="sad") for number in range(10)]
    verdict = judged(*copies, found("x", sha256="same", emotion="happy"))["x.wav"]
    assert verdict.faults["contradicting_labels"] == "same samples as " + ", ".join(
        f"toy/{number:02d} (sad)" for number in range(10)
    )


def test_a_good_clip_is_held_once() -> None:
    inspection = found()
    (verdict,) = pass_verdicts([inspection], LIMITS)
    assert verdict.clip is inspection.clip


def test_a_label_outside_the_seven_contradicts_too() -> None:
    verdicts = judged(found("a", sha256="same", emotion="calm"), found("b", sha256="same", emotion="sad"))
    assert verdicts["b.wav"].clip.reason == "contradicting_labels"
    assert verdicts["a.wav"].clip.reason == "other_emotion"


def test_a_copy_without_a_readable_name_says_nothing_of_the_label() -> None:
    nameless = found("a", sha256="same", emotion="", speaker="", faults={"unknown_name": "x"})
    assert judged(nameless, found("b", sha256="same"))["b.wav"].clip.verdict == GOOD


def test_two_silences_are_silent_and_no_contradiction_of_each_other_by_precedence() -> None:
    silences = [found(sha256="zeros", emotion=emotion, rms_dbfs=-240.0) for emotion in ("sad", "happy")]
    assert [verdict.clip.reason for verdict in pass_verdicts(silences, LIMITS)] == ["silent", "silent"]


def test_copies_in_two_corpora_are_found() -> None:
    ours, theirs = found("a", sha256="same"), found("a", sha256="same", corpus="other", clip="other/a")
    verdicts = pass_verdicts([ours, theirs], LIMITS)
    assert [(v.clip.clip, v.clip.reason) for v in verdicts] == [("other/a", ""), ("toy/a", "duplicate_content")]


def test_of_one_name_with_different_samples_the_first_good_clip_is_kept_and_ids_stay_unique() -> None:
    verdicts = pass_verdicts(
        [
            found("a", member="1/a.wav", sha256="1", rms_dbfs=-200.0),
            found("a", member="2/a.wav", sha256="2"),
            found("a", member="3/a.wav", sha256="3"),
        ],
        LIMITS,
    )
    assert [(v.clip.clip, v.clip.member, v.clip.reason) for v in verdicts] == [
        ("toy/a", "2/a.wav", ""),
        ("toy/a~2", "1/a.wav", "silent"),
        ("toy/a~3", "3/a.wav", "repeated_name"),
    ]


def test_a_number_does_not_make_the_name_of_another_file() -> None:
    names = {"1/a.wav": "toy/a", "2/a.wav": "toy/a", "3/a.wav": "toy/a", "a~2.wav": "toy/a~2"}
    verdicts = pass_verdicts([found(clip=name, member=member, sha256=member) for member, name in names.items()], LIMITS)
    assert [verdict.clip.clip for verdict in verdicts] == ["toy/a", "toy/a~3", "toy/a~4", "toy/a~2"]


def test_a_folder_that_lies_twice_in_an_archive_is_kept_once() -> None:
    twice = [found(name, member=f"{folder}/{name}.wav") for folder in ("TESS", "TESS/TESS") for name in ("a", "b")]
    verdicts = pass_verdicts(twice, LIMITS)
    assert sorted((v.clip.member, v.clip.reason) for v in verdicts) == [
        ("TESS/TESS/a.wav", ""),
        ("TESS/TESS/b.wav", ""),
        ("TESS/a.wav", "duplicate_content"),
        ("TESS/b.wav", "duplicate_content"),
    ]


def test_the_order_of_what_comes_in_does_not_matter() -> None:
    inspections = [
        found("a", sha256="x", emotion="sad"),
        found("b", sha256="x"),
        found("c", sha256="y"),
        found("d", sha256="y"),
        found("d", sha256="z", member="other/d.wav"),
    ]
    expected = pass_verdicts(inspections, LIMITS)
    for order in itertools.permutations(inspections):
        assert pass_verdicts(order, LIMITS) == expected


def test_reasons_are_given_once_each() -> None:
    assert len(set(REASONS)) == len(REASONS)


def test_of_one_performance_the_recording_that_the_corpus_prefers_is_kept() -> None:
    camera, microphone = (found(name, performance="toy/03-a") for name in ("01-a", "03-a"))
    verdicts = judged(camera, microphone)
    assert verdicts["03-a.wav"].clip.verdict == GOOD
    assert verdicts["01-a.wav"].clip.reason == "same_performance"
    assert verdicts["01-a.wav"].faults["same_performance"] == "as toy/03-a in 03-a.wav, which is kept"


def test_of_one_performance_another_recording_stands_in_for_a_bad_one() -> None:
    camera, microphone = (found(name, performance="toy/03-a", seconds=s) for name, s in (("01-a", 2.0), ("03-a", 0.1)))
    verdicts = judged(camera, microphone)
    assert verdicts["01-a.wav"].clip.verdict == GOOD
    assert verdicts["03-a.wav"].clip.reason == "too_short"


def test_recordings_of_no_known_performance_are_not_one() -> None:
    assert all(verdict.clip.verdict == GOOD for verdict in judged(found(), found()).values())


def test_clips_that_few_listeners_recognised_are_left_out_only_if_wanted() -> None:
    heard = [found("few", agreement=0.3), found("half", agreement=0.5), found("nobody_asked", agreement=None)]
    assert {verdict.clip.verdict for verdict in judged(*heard).values()} == {GOOD}
    wanted = LIMITS.model_copy(update={"min_agreement": 0.5})
    verdicts = judged(*heard, limits=wanted)
    assert {name: verdict.clip.reason for name, verdict in verdicts.items()} == {
        "few.wav": "low_agreement",
        "half.wav": "",
        "nobody_asked.wav": "",
    }
    assert verdicts["few.wav"].faults["low_agreement"] == "30% of its listeners heard angry, below 50%"
