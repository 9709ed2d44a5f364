"""Recordings of one voice are answered with a reference from the others, never from themselves."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepemo.audio.spec import FeatureSpec
from deepemo.emotions import EMOTIONS, Emotions
from deepemo.errors import InputError
from deepemo.evaluation.calibration import scale, softmax
from deepemo.serving.batching import stack
from deepemo.serving.bundle import calibration_digest, write_bundle
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.voice import VoiceReference
from deepemo.serving.voices import NOBODY_ELSE, TAKES_NONE, Sums, apart
from tests.fixtures.serving import GATE, LIMITS, RATE_HZ, tone
from tests.fixtures.voices import DIGEST, VOICE_RECORD

QUIET, LOUD = tone(2, 0.1), tone(2, 0.5)


def level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def test_each_recording_is_compared_with_the_others_alone(comparing, known):
    recordings = [QUIET, tone(2, 0.3), LOUD]
    answers = comparing.recognize_voice(recordings, RATE_HZ)
    assert [answer.answer for answer in answers] == ["sad", "angry", "angry"]
    assert {answer.model for answer in answers} == {"known_voice"}
    for answer, offset, own in zip(answers, known.offsets, recordings, strict=True):
        assert answer.voice.to_dict() == {"recordings": 2, "used": True, "reason": None}
        others = np.mean([level(other) for other in recordings if other is not own])
        assert offset[0] == pytest.approx(others * 2 / 5, rel=1e-4)  # 2 recordings, shrunk as 2 / (2 + 3)
        assert offset[1] == 0


def test_what_takes_no_part_is_answered_and_counts_for_nobody(comparing):
    answers = comparing.recognize_voice([QUIET, LOUD, tone(0.1), np.zeros(RATE_HZ, np.float32), tone(2, 0.3)], RATE_HZ)
    assert [answer.reason for answer in answers] == [None, None, "too_short", "silent", None]
    assert [answer.voice and answer.voice.recordings for answer in answers] == [2, 2, None, None, 2]
    assert [answer.reason for answer in comparing.recognize_voice([b"no sound", b""])] == ["undecodable"] * 2
    assert comparing.recognize_voice([]) == []


def test_noise_is_no_part_of_a_reference(model, known, speech):
    recognizer = Recognizer(model, gate=GATE, limits=LIMITS, voice=known)
    noise = np.random.default_rng(1).normal(0, 0.1, 3 * RATE_HZ).astype(np.float32)
    reference = recognizer.make_reference([speech, noise, speech / 2], RATE_HZ)
    assert reference.recordings == 2
    assert reference.mean[0] == pytest.approx((level(speech) + level(speech / 2)) / 2, rel=1e-4)
    with pytest.raises(
        InputError, match=r"No speech is heard in 2 recordings \(no_voice, silent\), expected it in some"
    ):
        recognizer.make_reference([noise, np.zeros(RATE_HZ, np.float32)], RATE_HZ)


def test_a_long_recording_is_compared_with_its_own_other_windows(comparing, known):
    [answer] = comparing.recognize_voice([np.concatenate([tone(8, 0.5), tone(8, 0.1)])], RATE_HZ)
    words = [window.answer for window in answer.timeline.windows]
    assert (words[0], words[-1]) == ("angry", "sad")
    assert answer.voice.used
    # Windows of 2.5 s begin each second and at 13.5 s. Four of them do not overlap one another.
    assert answer.voice.recordings == 4
    [offsets] = known.offsets
    assert offsets.shape == (len(words), 2)
    beside_the_first = [0.5**2 / 2, (2 * 0.5**2 / 2 + 0.5 * 0.1**2 / 2) / 2.5, 0.1**2 / 2, 0.1**2 / 2]  # power
    assert offsets[0, 0] == pytest.approx(np.mean(np.sqrt(beside_the_first)) * 4 / 7, rel=1e-3)


@pytest.mark.parametrize(
    ("recordings", "reason"),
    [
        ([LOUD], NOBODY_ELSE),
        ([LOUD, QUIET], "The reference rests on 1 recording, expected at least 2."),
        ([LOUD, LOUD, LOUD], "too much alike"),
    ],
)
def test_where_a_reference_would_do_harm_it_is_not_used_and_the_answer_says_so(comparing, known, recordings, reason):
    answers = comparing.recognize_voice(recordings, RATE_HZ)
    alone = [comparing.recognize(recording, RATE_HZ) for recording in recordings]
    for answer, expected in zip(answers, alone, strict=True):
        assert reason in answer.voice.reason
        assert not answer.voice.used
        assert answer.model_copy(update={"voice": None}) == expected
    assert known.offsets == []


def test_a_reference_is_made_kept_and_used(comparing, known):
    reference = VoiceReference.from_json(comparing.make_reference([QUIET, LOUD], RATE_HZ).to_json())
    answer = comparing.recognize(tone(2, 0.3), RATE_HZ, voice=reference)
    assert (answer.answer, answer.model, answer.voice.recordings) == ("angry", "known_voice", 2)
    assert known.offsets[0][0] == pytest.approx((level(QUIET) + level(LOUD)) / 2 * 2 / 5, rel=1e-4)
    [each] = comparing.recognize_each(tone(2, 0.3), RATE_HZ, voice=reference)
    assert (each.probabilities, each.voice) == (answer.probabilities, answer.voice)
    assert comparing.recognize(tone(2, 0.3), RATE_HZ).voice is None
    other = VoiceReference(reference.mean, 9, 1.0, "6" * 64)
    refused = comparing.recognize(tone(2, 0.3), RATE_HZ, voice=other)
    assert (refused.answer, refused.voice.used) == ("angry", False)
    assert "made by another model" in refused.voice.reason


def test_a_model_without_references_says_so(trusting):
    for answer in trusting.recognize_voice([LOUD, QUIET, LOUD], RATE_HZ):
        assert answer.voice.to_dict() == {"recordings": 0, "used": False, "reason": TAKES_NONE}
    reference = VoiceReference(np.zeros(2, np.float32), 9, 1.0, DIGEST)
    assert trusting.recognize(LOUD, RATE_HZ, voice=reference).voice.reason == TAKES_NONE
    with pytest.raises(InputError, match="takes no reference"):
        trusting.make_reference([LOUD], RATE_HZ)


def test_clips_can_be_taken_out_of_sums_again():
    components = np.random.default_rng(2).normal(3, 1, (8, 4)).astype(np.float32)
    left = (Sums.of(components) - Sums.of(components[:3])).reference(DIGEST)
    expected = VoiceReference.of(components[3:], DIGEST)
    np.testing.assert_allclose(left.mean, expected.mean, rtol=1e-6)
    assert left.deviation == pytest.approx(expected.deviation)
    assert left.recordings == 5
    assert apart([(0, 2), (1, 3), (2, 4), (5, 7), (6, 8)]) == [0, 2, 3]


class HalvedVoice:
    """A network of the fixture with components and a head for differences."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self.front_end, self.name, self.about = network.front_end, network.name, network.about
        random = np.random.default_rng(8)
        self._head = random.normal(0, 3, (3, len(network.about["emotions"])))

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        return self._network.logits(inputs)

    def logits_of_clips(self, inputs: np.ndarray) -> np.ndarray:
        return self._network.logits_of_clips(inputs)

    def graph(self, inputs: Any) -> Any:
        return self._network.graph(inputs)

    def components(self, inputs: np.ndarray) -> np.ndarray:
        return self.components_of_clips(inputs)

    def components_of_clips(self, inputs: np.ndarray) -> np.ndarray:
        return self._network.logits_of_clips(inputs)[:, :3]

    def relative_logits(self, components: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        return ((components - offsets) @ self._head).astype(np.float32)


@pytest.fixture
def known_run(
    request: pytest.FixtureRequest,
    write_models: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Path, Mapping[str, Any]]:
    """A run of two networks of which `shallow` takes references, and the networks; a parameter names its emotions."""
    told_apart: Emotions = getattr(request, "param", EMOTIONS)
    import deepemo.serving.known_voice
    import deepemo.serving.predictor
    from deepemo.models.saved import load_model
    from tests.fixtures.models import SPEC

    networks = {}

    def load(folder: Path, emotions: Emotions, *, whose: str) -> Any:
        loaded = load_model(folder, emotions, whose=whose)
        networks[folder.name] = HalvedVoice(loaded) if folder.name == "shallow" else loaded
        return networks[folder.name]

    monkeypatch.setattr(deepemo.serving.predictor, "load_model", load)
    monkeypatch.setattr(deepemo.serving.known_voice, "load_model", load)
    specs: dict[str, FeatureSpec] = {"shallow": SPEC, "transfer": SPEC}
    bundle = write_models(tmp_path / "models", specs, emotions=told_apart)
    weights = [0.6, 0.4]
    calibration = VOICE_RECORD.calibration.model_copy(update={"temperature": 1.5, "threshold": 0.2})
    record = VOICE_RECORD.model_copy(
        update={
            "part": "shallow",
            "parts": ["shallow", "transfer"],
            "weights": weights,
            "calibration": calibration,
            "calibrated_sha256": calibration_digest(bundle.parts, ["shallow", "transfer"], weights, calibration),
        }
    )
    write_bundle(tmp_path / "models", bundle.model_copy(update={"voice": record}), "# Card\n")
    return tmp_path / "models", networks


@pytest.mark.slow
@pytest.mark.parametrize("known_run", [EMOTIONS, ("angry", "happy", "neutral", "sad")], indirect=True)
def test_a_reference_of_zero_takes_nothing_off_and_asks_the_head_for_differences(known_run, speech):
    models, networks = known_run
    recognizer = Recognizer.load(models)
    voice = recognizer.voice
    assert voice.record.part == "shallow"
    inputs = stack([voice.prepare(speech[: 3 * RATE_HZ], RATE_HZ)])
    rows = voice.hear(inputs)
    part, other = networks["shallow"], networks["transfer"]
    expected = scale(
        0.6 * softmax(part.relative_logits(part.components_of_clips(inputs[0]), np.zeros(3)).astype(np.float64))
        + 0.4 * softmax(other.logits_of_clips(inputs[0]).astype(np.float64)),
        1.5,
    )
    np.testing.assert_allclose(voice.probabilities(rows, np.zeros(3, np.float32)), expected, rtol=1e-6)

    zero = VoiceReference(np.zeros(3, np.float32), 10, 1.0, voice.weights_sha256)
    answer = recognizer.recognize(speech, RATE_HZ, voice=zero)
    assert answer.voice.used
    assert answer.probabilities != recognizer.recognize(speech, RATE_HZ).probabilities
    moved = VoiceReference(np.ones(3, np.float32), 10, 1.0, voice.weights_sha256)
    assert recognizer.recognize(speech, RATE_HZ, voice=moved).probabilities != answer.probabilities
    wide = VoiceReference(np.ones(4, np.float32), 10, 1.0, voice.weights_sha256)
    with pytest.raises(InputError, match="found 4 components, expected 3"):
        recognizer.recognize(speech, RATE_HZ, voice=wide)


class Judging(HalvedVoice):
    """Takes only clips whose first component is above -100 for speech."""

    has_opinion = True
    limit = -100.0

    def logits_of_components(self, components: np.ndarray) -> np.ndarray:
        return self.relative_logits(components, np.zeros(3, np.float32))

    def is_speech(self, inputs: np.ndarray, components: np.ndarray) -> np.ndarray:
        return components[:, 0] > self.limit


@pytest.mark.slow
def test_a_network_that_takes_a_clip_for_another_sound_leaves_no_answer_with_or_without_a_reference(known_run, speech):
    from deepemo.serving.known_voice import KnownVoice
    from deepemo.serving.predictor import Predictor

    models, networks = known_run
    recognizer = Recognizer.load(models)
    judge = Judging(networks["shallow"]._network)
    other = recognizer.model.models[-1]
    predictor = Predictor([judge, other], name="both", emotions=EMOTIONS, weights=(0.5, 0.5))
    voice = KnownVoice(recognizer.voice.record, {"shallow": judge, "transfer": other}, DIGEST, EMOTIONS)
    clips = [speech[:RATE_HZ], speech[: 3 * RATE_HZ]]
    inputs = stack([predictor.prepare(clip, RATE_HZ) for clip in clips])
    first, second = judge.components_of_clips(inputs[0])[:, 0]
    for limit, refused in ((-100.0, []), ((first + second) / 2, [int(second < first)]), (1e9, [0, 1])):
        judge.limit = limit
        rows = voice.hear(inputs)
        for found in (
            predictor.probabilities(inputs),
            rows,
            voice.probabilities(rows, np.zeros(3, np.float32)),
        ):
            assert list(np.flatnonzero(np.isnan(found).any(axis=1))) == refused
            assert list(np.flatnonzero(np.isnan(found).all(axis=1))) == refused
    made = Recognizer(predictor, gate=recognizer.gate, limits=recognizer.limits, voice=voice)
    made.warm_up()
    assert made.recognize(speech, RATE_HZ).reason == "no_voice"
    reference = VoiceReference(np.zeros(3, np.float32), 10, 1.0, DIGEST)
    assert made.recognize(speech, RATE_HZ, voice=reference).reason == "no_voice"


@pytest.mark.slow
def test_broken_weights_are_an_error_and_no_refusal(known_run, speech):
    from deepemo.serving.known_voice import KnownVoice
    from deepemo.serving.predictor import Predictor

    class Broken(Judging):
        def components_of_clips(self, inputs: np.ndarray) -> np.ndarray:
            return np.full((len(inputs), 3), np.nan, np.float32)

    models, networks = known_run
    recognizer = Recognizer.load(models)
    broken, other = Broken(networks["shallow"]._network), recognizer.model.models[-1]
    predictor = Predictor([broken, other], name="both", emotions=EMOTIONS, weights=(0.5, 0.5))
    voice = KnownVoice(recognizer.voice.record, {"shallow": broken, "transfer": other}, DIGEST, EMOTIONS)
    inputs = stack([predictor.prepare(speech, RATE_HZ)])
    for call in (predictor.probabilities, voice.hear):
        with pytest.raises(FloatingPointError, match="no finite numbers"):
            call(inputs)


@pytest.mark.slow
def test_only_predictors_with_that_network_take_references(known_run):
    models, _ = known_run
    assert Recognizer.load(models).voice is not None
    assert Recognizer.load(models, "shallow").voice is not None
    assert Recognizer.load(models, "transfer").voice is None
    recognizer = Recognizer.load(models)
    recognizer.warm_up()
    assert recognizer.with_predict(recognizer.model.probabilities).voice is recognizer.voice
