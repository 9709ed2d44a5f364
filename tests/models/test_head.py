"""The head, with or without a hidden layer."""

import pytest

from deepemo.models.head import build_head


@pytest.mark.parametrize(("hidden_units", "matrices"), [(0, 1), (5, 2)])
def test_has_a_hidden_layer_if_wanted(hidden_units: int, matrices: int) -> None:
    head = build_head(width=12, hidden_units=hidden_units, dropout=0.3, classes=7)
    assert head.output_shape == (None, 7)
    assert sum(weight.name == "kernel" for weight in head.trainable_variables) == matrices
    assert len(head.trainable_variables) == 2 * matrices, "no gradient changes what normalises"
