"""The network of the family `speech`: components, members that are averaged, and the head that knows voices."""

import weakref
from collections.abc import Iterator

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from deepemo.models.speech import layers
from deepemo.models.speech.family import SpeechHeads
from deepemo.models.speech.layers import AttentivePooling, Distance, Mixture, Projection
from deepemo.models.speech.moonshine import moonshine_tiny, samples_of
from deepemo.models.speech.network import (
    DISCRIMINANT,
    DISTANCE,
    HEAD,
    MIXTURE,
    PROJECTION,
    SEGMENT_PROJECTION,
    VOICE_HEAD,
    WHOLE,
    Layout,
    build_components,
    build_heads,
    build_speech,
    trained_part,
)

WIDTH = 12


def shape_of(**values: object) -> SpeechHeads:
    usual = {"components": WIDTH, "members": 1, "discriminant_share": 0.5, "discriminant_distances": [1.5, 2.5]}
    usual |= {"segment_components": 3, "attention_members": 1, "attention_units": 5}
    usual["perceptron_components"] = WIDTH
    return SpeechHeads.model_validate({**usual, "hidden_units": 5, "dropout": 0.3, **values})


def made(count: int = 420) -> np.ndarray:
    """Values float32 [count, WIDTH] far from 0, each dimension with its own scale, all driven by two factors."""
    random = np.random.default_rng(1)
    causes = random.normal(size=(count, 2)) @ random.normal(size=(2, WIDTH))
    values = causes + 0.1 * random.normal(size=(count, WIDTH))
    return (1000.0 + values * 10.0 ** np.linspace(-1, 2, WIDTH)).astype(np.float32)


def adapted(values: np.ndarray, components: int, *, batch: int = 100) -> Projection:
    layer = Projection(components)
    layer.build(values.shape)
    layer.adapt((values[at : at + batch] for at in range(0, len(values), batch)), len(values), seed=1)
    return layer


@pytest.mark.parametrize("batch", [7, 100, 420])
def test_components_are_centred_apart_and_of_unit_deviation_in_batches_of_any_size(batch: int) -> None:
    found = adapted(made(), 2, batch=batch)(made()).numpy()
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=0.01)
    assert found.std() == pytest.approx(1.0, abs=0.01)
    assert abs(np.corrcoef(found.T)[0, 1]) < 0.01
    assert found[:, 0].std() >= found[:, 1].std()


def test_no_batch_of_many_is_held_until_all_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more clips than the directions are found from, only a few of each batch are kept."""
    monkeypatch.setattr(layers, "_MOST_ROWS", 42)
    held = list[int]()

    def batches() -> Iterator[np.ndarray]:
        given = list[weakref.ref[np.ndarray]]()
        for at in range(0, 420, 20):
            held.append(sum(batch() is not None for batch in given))
            values = made()[at : at + 20].copy()
            given.append(weakref.ref(values))
            yield values
            del values

    layer = Projection(2)
    layer.build((None, WIDTH))
    layer.adapt(batches(), 420, seed=1)
    assert max(held) <= 1
    assert layer(made()).numpy().std() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("group", "most"), [(2, 210), (8, 53)])
def test_rows_of_all_places_in_a_group_count(monkeypatch: pytest.MonkeyPatch, group: int, most: int) -> None:
    """Segments of clips come in groups, and the first of each may be quieter than the others."""
    monkeypatch.setattr(layers, "_MOST_ROWS", most)
    values = np.random.default_rng(2).normal(size=(420, WIDTH)).astype(np.float32)
    later = np.arange(420) % group > 0
    values[later] *= 100.0
    assert 0.5 < adapted(values, 3)(values[later]).numpy().std() < 2.0


def test_two_components_hold_all_that_two_causes_lead() -> None:
    standardised = (made() - made().mean(axis=0)) / made().std(axis=0)
    layer = adapted(made(), 2)
    directions = layer.directions.numpy()
    directions /= np.linalg.norm(directions, axis=0)
    left = standardised - standardised @ directions @ directions.T
    assert left.var() < 0.02 * standardised.var()


def test_a_dimension_that_never_varies_says_nothing() -> None:
    values = made()
    values[:, 3] = 5.0
    layer = adapted(values, 2)
    moved = values.copy()
    moved[:, 3] += 1e-4
    assert np.abs(layer(moved).numpy() - layer(values).numpy()).max() < 0.1, "rounding is not blown up"


def test_members_are_averaged() -> None:
    heads = build_heads(shape_of(members=3), classes=7, name="head")
    values = made(4) / 1000.0
    each = [heads.get_layer(f"member{number}")(values).numpy() for number in (1, 2, 3)]
    found = heads([values, np.zeros((4, 1))]).numpy()
    np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-4, atol=1e-5)
    assert np.abs(each[0] - each[1]).max() > 0.01


def test_perceptrons_take_the_first_components_and_the_discriminant_all() -> None:
    heads = build_heads(shape_of(perceptron_components=2, discriminant_share=0.0), classes=7, name="head")
    values = np.random.default_rng(1).normal(size=(4, WIDTH)).astype(np.float32)
    changed = values.copy()
    changed[:, 2:] += 1.0
    np.testing.assert_array_equal(*(heads([clips, np.zeros((4, 1))]).numpy() for clips in (values, changed)))
    linear = heads.get_layer(DISCRIMINANT)
    assert np.abs(linear(values).numpy() - linear(changed).numpy()).min() > 0.0


@pytest.mark.parametrize("members", [1, 3])
def test_a_discriminant_has_its_share_of_each_clip_and_the_perceptrons_the_rest(members: int) -> None:
    heads = build_heads(shape_of(members=members), classes=7, name="head")
    heads.get_layer(MIXTURE).near.assign(0.1)
    distance = np.array([[0.3], [1.5], [2.0], [7.0]], np.float32)
    share = np.array([[0.1], [0.1], [0.3], [0.5]], np.float32)
    values = made(4) / 1000.0
    each = [heads.get_layer(f"member{number}")(values).numpy() for number in range(1, members + 1)]
    linear = heads.get_layer(DISCRIMINANT)(values).numpy()
    expected = (1.0 - share) * np.mean(each, axis=0) + share * linear
    np.testing.assert_allclose(heads([values, distance]).numpy(), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(linear).max() > 0.01


def test_the_components_of_segments_follow_those_of_the_whole_clip() -> None:
    layout = Layout(width=10, segments=3, segment_width=2)
    project = build_components(layout, shape_of(components=2, segment_components=1))
    random = np.random.default_rng(6)
    for name in (PROJECTION, SEGMENT_PROJECTION):
        layer = project.get_layer(name)
        layer.set_weights([random.normal(size=weight.shape) for weight in layer.get_weights()])
    values = random.normal(size=(5, 10)).astype(np.float32)
    whole = project.get_layer(PROJECTION)(values[:, :4]).numpy()
    segments = [project.get_layer(SEGMENT_PROJECTION)(values[:, at : at + 2]).numpy() for at in (4, 6, 8)]
    np.testing.assert_allclose(project(values), np.concatenate([whole, *segments], axis=1), rtol=1e-5)


@pytest.mark.parametrize("unused", [{"attention_members": 0}, {}])
def test_segments_that_no_head_uses_are_no_components(unused: dict[str, int]) -> None:
    layout = Layout(width=10, segments=3, segment_width=2) if unused else Layout(width=10)
    assert build_components(layout, shape_of(components=2, **unused)).output_shape == (None, 2)


def test_networks_that_attend_count_as_much_as_the_perceptrons_and_hear_the_segments_alone() -> None:
    heads = build_heads(shape_of(members=3, attention_members=2), segments=4, classes=7, name="head")
    components = np.random.default_rng(2).normal(size=(4, WIDTH + 4 * 3)).astype(np.float32)
    whole = components[:, :WIDTH]
    each = [heads.get_layer(f"member{number}")(whole).numpy() for number in (1, 2, 3)]
    each += [heads.get_layer(f"member{number}")(components).numpy() for number in (4, 5)]
    expected = (np.mean(each[:3], axis=0) + np.mean(each[3:], axis=0)) / 2.0
    np.testing.assert_allclose(trained_part(heads)(components), expected, rtol=1e-4, atol=1e-5)
    other = components.copy()
    other[:, :WIDTH] += 1.0
    np.testing.assert_array_equal(heads.get_layer("member4")(other), each[3])


def test_attention_pools_means_by_weights_that_sum_to_one() -> None:
    random = np.random.default_rng(3)
    x = random.normal(size=(2, 6, 5)).astype(np.float32)
    layer = AttentivePooling(looks=2)
    found = layer(x).numpy()
    np.testing.assert_allclose(found[:, 10:15], x.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(found[:, 15:], x.std(axis=1), atol=1e-4)
    kernel = np.zeros((5, 2), np.float32)
    kernel[0] = [50.0, 0.0]
    layer.score.set_weights([kernel, np.zeros(2, np.float32)])
    found = layer(x).numpy()
    np.testing.assert_allclose(found[:, :5], x[[0, 1], x[:, :, 0].argmax(axis=1)], atol=1e-2)
    np.testing.assert_allclose(found[:, 5:10], x.mean(axis=1), atol=1e-5)


@pytest.mark.parametrize("count", [40, 60])
def test_new_clips_are_near_even_if_there_are_no_more_training_clips_than_components(count: int) -> None:
    random = np.random.default_rng(4)
    spread = random.normal(size=(8, 60))
    training, validation, others = (
        random.normal(size=(n, 8)) @ spread + random.normal(size=(n, 60)) for n in (count, 200, 200)
    )
    layer = adapted(training.astype(np.float32), 40, batch=20)
    distance = Distance()
    distance.build((None, 40))
    distance.adapt(*([layer(values.astype(np.float32)).numpy()] for values in (training, validation)))
    found = distance(layer(others.astype(np.float32)).numpy()).numpy()
    assert np.quantile(found, 0.05) > 0.4
    assert np.quantile(found, 0.95) < 2.0


def test_distances_are_in_units_of_the_training_clips_and_of_the_median_of_validation() -> None:
    random = np.random.default_rng(2)
    deviations = np.linspace(0.2, 2.0, WIDTH)
    training, validation = (deviations * random.normal(size=(900, WIDTH)).astype(np.float32) for _ in range(2))
    layer = Distance()
    layer.build((None, WIDTH))
    layer.adapt(np.split(training, 3), np.split(1.3 * validation, 9))
    distances = (np.square(1.3 * validation) / np.square(training).mean(axis=0)).mean(axis=1)
    np.testing.assert_allclose(layer(1.3 * validation).numpy()[:, 0], distances / np.median(distances), rtol=1e-4)


def mixture_of(share: float = 0.8) -> Mixture:
    layer = Mixture(share, [1.5, 2.5])
    layer.build()
    return layer


@pytest.mark.parametrize(("good", "chosen"), [("perceptrons", 0.0), ("discriminant", 1.0)])
def test_validation_chooses_the_share_for_near_clips(good: str, chosen: float) -> None:
    labels = np.arange(70) % 7
    right, wrong = 4.0 * np.eye(7, dtype=np.float32)[labels], 4.0 * np.eye(7, dtype=np.float32)[labels - 1]
    layer = mixture_of()
    pair = (right, wrong) if good == "perceptrons" else (wrong, right)
    layer.fit(*pair, np.ones((70, 1), np.float32), labels)
    assert layer.near.numpy() == pytest.approx(chosen)
    far = layer(*pair, np.full((70, 1), 2.5, np.float32)).numpy()
    np.testing.assert_allclose(far, (0.2 * pair[0] + 0.8 * pair[1]) if chosen == 0.0 else pair[1], atol=1e-5)


def test_two_that_err_on_different_clips_are_mixed() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(7, size=700)
    one, two = (3.0 * np.eye(7)[labels] + 2.0 * random.normal(size=(700, 7)) for _ in range(2))
    layer = mixture_of()
    layer.fit(one.astype(np.float32), two.astype(np.float32), np.ones((700, 1), np.float32), labels)
    assert 0.35 <= layer.near.numpy() <= 0.65


def test_without_a_share_the_perceptrons_answer_at_any_distance() -> None:
    right, wrong = np.eye(7, dtype=np.float32), np.roll(np.eye(7, dtype=np.float32), 1, axis=0)
    layer = mixture_of(0.0)
    layer.fit(wrong, right, np.ones((7, 1), np.float32), np.arange(7))
    np.testing.assert_array_equal(layer(wrong, right, np.full((7, 1), 9.0, np.float32)), wrong)


def test_distances_must_rise() -> None:
    with pytest.raises(ValidationError, match="expected the first to be less than the second"):
        shape_of(discriminant_distances=[2.0, 2.0])


@pytest.mark.slow
@pytest.mark.parametrize(("hidden_units", "matrices"), [(0, 1), (5, 2)])
def test_no_gradient_changes_the_encoder_or_the_components(hidden_units: int, matrices: int) -> None:
    heads = shape_of(components=6, members=2, hidden_units=hidden_units)
    network = build_speech(moonshine_tiny(), heads, taps=["stem"], classes=7)
    assert len(network.trainable_variables) == 2 * 2 * 2 * matrices, "two kinds, two members, kernel and bias"
    attending = build_speech(moonshine_tiny(), heads, taps=["stem"], segments=4, classes=7)
    more = len(attending.trainable_variables) - len(network.trainable_variables)
    assert more == 2 * (2 * 5 + 1), "two kinds; kernel and bias of five layers, and the factor of the normalisation"


@pytest.mark.slow
def test_the_second_output_hears_the_difference_from_the_offset() -> None:
    keras.utils.set_random_seed(5)
    heads = shape_of(components=6, hidden_units=4, dropout=0.0)
    network = build_speech(moonshine_tiny(), heads, taps=["stem"], classes=7)
    samples = np.random.default_rng(0).normal(size=(2, samples_of(4))).astype(np.float32)
    project = keras.Model(network.inputs[0], network.get_layer(WHOLE).input)
    components = project(samples).numpy()
    alone, relative, opinion = network([samples, components])
    near, far = np.zeros((2, 1), np.float32), np.full((2, 1), 9.0, np.float32)
    np.testing.assert_allclose(alone, network.get_layer(HEAD)([components, near]), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(opinion, np.zeros((2, 1)), "nothing is learned yet")
    none = network.get_layer(VOICE_HEAD)([np.zeros_like(components), near]).numpy()
    np.testing.assert_allclose(relative, none, rtol=1e-4, atol=1e-5)

    network.get_layer(DISTANCE).scale.assign(np.full(6, 1e3))
    alone, relative, _ = network([samples, components])
    np.testing.assert_allclose(alone, network.get_layer(HEAD)([components, far]), rtol=1e-4, atol=1e-5)
    none = network.get_layer(VOICE_HEAD)([np.zeros_like(components), far]).numpy()
    np.testing.assert_allclose(relative, none, rtol=1e-4, atol=1e-5, err_msg="the distance is the clip's own")
