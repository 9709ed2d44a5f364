"""The head: standardised by its training clips whatever their scale, and with a layer between if wanted."""

import numpy as np
import pytest

from deepemo.models.head import Standardisation, build_head

WIDTH = 12


def made(count: int = 420) -> np.ndarray:
    """Values float32 [count, WIDTH] far from 0, each dimension on a scale of its own."""
    values = np.random.default_rng(1).normal(size=(count, WIDTH))
    return (1000.0 + values * 10.0 ** np.linspace(-1, 2, WIDTH)).astype(np.float32)


@pytest.mark.parametrize("batch", [7, 100, 420])
def test_standardises_by_what_it_is_given_in_batches_of_any_size(batch: int) -> None:
    values = made()
    layer = Standardisation()
    layer.build(values.shape)
    layer.adapt(values[start : start + batch] for start in range(0, len(values), batch))
    found = layer(values).numpy()
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=0.02)


def test_a_dimension_that_never_varies_says_nothing() -> None:
    values = made()
    values[:, 3] = 5.0
    layer = Standardisation()
    layer.build(values.shape)
    layer.adapt([values])
    assert not layer(values).numpy()[:, 3].any()
    assert np.abs(layer(values + 1e-4).numpy()[:, 3]).max() < 0.2, "rounding is not blown up"


@pytest.mark.parametrize("standardised", [False, True])
@pytest.mark.parametrize(("hidden_units", "matrices"), [(0, 1), (5, 2)])
def test_has_a_hidden_layer_if_wanted(hidden_units: int, matrices: int, standardised: bool) -> None:
    head = build_head(width=WIDTH, hidden_units=hidden_units, dropout=0.3, standardised=standardised)
    assert head.output_shape == (None, 7)
    assert sum(weight.name == "kernel" for weight in head.trainable_variables) == matrices
    assert len(head.trainable_variables) == 2 * matrices, "no gradient changes what normalises"
