"""A reference of a voice: its content, when it is not used, and that hostile files are refused."""

import base64
import json
import re

import numpy as np
import pytest

from deepemo.errors import InputError
from deepemo.models.voice import SHRINKAGE_RECORDINGS
from deepemo.serving.voice import MOST_BYTES, VoiceReference
from tests.fixtures.voices import DIGEST, VOICE_RECORD

RANDOM = np.random.default_rng(4)
COMPONENTS = RANDOM.normal(1, 2, (9, 5)).astype(np.float32)


def test_a_reference_is_the_mean_of_recordings_and_how_much_they_differ():
    reference = VoiceReference.of(np.array([[1, 0], [3, 4]], np.float32), DIGEST)
    assert reference.mean.tolist() == [2, 2]
    assert (reference.recordings, reference.weights_sha256) == (2, DIGEST)
    assert reference.deviation == pytest.approx(np.sqrt((2 + 8) / 2))  # variances of 2 and 8
    shrunk = 2 * 2 / (2 + SHRINKAGE_RECORDINGS)
    assert reference.offset().tolist() == pytest.approx([shrunk, shrunk])
    assert VoiceReference.of(np.ones((1, 2), np.float32), DIGEST).deviation == 0


def test_it_is_read_as_it_was_written():
    reference = VoiceReference.of(COMPONENTS, DIGEST)
    read = VoiceReference.from_json(reference.to_json())
    np.testing.assert_array_equal(read.mean, reference.mean)
    assert (read.recordings, read.weights_sha256) == (9, DIGEST)
    assert read.deviation == pytest.approx(reference.deviation, abs=1e-6)
    assert VoiceReference.from_json(read.to_json().encode()).to_json() == reference.to_json()


def test_references_join_as_if_made_of_all_recordings_at_once():
    parts = [VoiceReference.of(COMPONENTS[rows], DIGEST) for rows in (slice(0, 1), slice(1, 4), slice(4, 9))]
    joined, whole = VoiceReference.joined(parts), VoiceReference.of(COMPONENTS, DIGEST)
    assert joined.recordings == 9
    np.testing.assert_allclose(joined.mean, whole.mean, rtol=1e-6)
    assert joined.deviation == pytest.approx(whole.deviation)
    with pytest.raises(InputError, match="one network that made all of them"):
        VoiceReference.joined([whole, VoiceReference.of(COMPONENTS, "6" * 64)])


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        (VoiceReference.of(COMPONENTS, DIGEST), None),
        (VoiceReference.of(COMPONENTS[:1], DIGEST), "rests on 1 recording, expected at least 2"),
        (VoiceReference.of(np.ones((9, 5), np.float32), DIGEST), r"too much alike \(deviation 0.000, .* least 0.010\)"),
        (VoiceReference.of(COMPONENTS, "6" * 64), r"made by another model \(66666.*expected 55555"),
    ],
)
def test_a_reference_that_would_do_harm_is_refused_with_the_reason(reference, says):
    problem = reference.problem(VOICE_RECORD, DIGEST)
    assert (says is None) == (problem is None)
    assert says is None or re.search(says, problem)


def changed(**values: object) -> str:
    return json.dumps({**json.loads(VoiceReference.of(COMPONENTS, DIGEST).to_json()), **values})


def numbers(*values: float) -> str:
    return base64.b64encode(np.array(values, "<f4").tobytes()).decode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "Invalid JSON"),
        ("[1]", "valid dictionary|object"),
        (b"\xff\xfe{}", "Invalid JSON|UTF-8"),
        ("[" * 60_000, "Invalid JSON"),
        (" " * (MOST_BYTES + 1), f"found {MOST_BYTES + 1} characters, expected a reference of at most {MOST_BYTES}"),
        (changed(format="deepemo-voice-2"), 'format: found "deepemo-voice-2"'),
        (changed(further=1), "further: found 1"),
        (json.dumps({"format": "deepemo-voice-1"}), "recordings: .*[Rr]equired"),
        (changed(recordings=0), "recordings: found 0"),
        (changed(recordings=2.5), "recordings: found 2.5"),
        (changed(recordings=True), "recordings: found true"),
        (changed(recordings=10**30), "recordings: "),
        (changed(deviation=float("nan")), "deviation|Invalid JSON"),
        (changed(deviation=float("inf")), "deviation|Invalid JSON"),
        (changed(deviation=-1.0), "deviation: found -1.0"),
        (changed(weights_sha256="x"), 'weights_sha256: found "x"'),
        (changed(mean="?"), "mean: .*expected base64"),
        (changed(mean=""), "mean: found 0 bytes"),
        (changed(mean=base64.b64encode(b"12345").decode()), "mean: found 5 bytes"),
        (changed(mean=numbers(1.0, float("nan"))), "mean: found nan"),
        (changed(mean=numbers(float("-inf"))), "mean: found -inf"),
        (changed(mean=numbers(1e30)), "mean: found 1e"),
        (changed(mean=[1.0, 2.0]), "mean: found"),
    ],
)
def test_what_is_no_reference_is_refused_by_name_and_value(content, says):
    with pytest.raises(InputError, match=rf"^her\.json: .*({says})"):
        VoiceReference.from_json(content, "her.json")
