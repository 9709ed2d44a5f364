"""The linear discriminant in each head, computed in closed form from means of the emotions and covariance within them.

It divides by the variation within an emotion, which comes mostly from speakers and recording equipment. So it depends
less than perceptrons do on the voices and corpora of the training.
"""

from collections.abc import Iterable

import numpy as np
from sklearn.covariance import shrunk_covariance

from deepemo.arrays import Float32Array, Float64Array, Int64Array

# Components are not normally distributed, so without this divisor, logits of new clips would be about twice too large.
TEMPERATURE = 2.0
# The bias of an emotion without clips.
_NEVER = -60.0
_READ_TOGETHER = 4096


def linear_discriminant(
    batches: Iterable[tuple[Float32Array, Int64Array]], *, width: int, classes: int, shrinkage: float
) -> tuple[Float64Array, Float64Array]:
    """Weights of logits, by Fisher's linear discriminant with classes that are equally likely.

    The covariance within classes is shrunk towards the identity times its mean variance (Friedman 1989, "Regularized
    Discriminant Analysis"), and the logits are divided by `TEMPERATURE`.

    Args:
        batches: components float32 [n, width] and classes [n], one batch of them in memory at a time.
        width: of the components.
        classes: number of classes; a class without clips is never the likeliest.
        shrinkage: share of the identity.

    Returns:
        Kernel float64 [width, classes] and bias float64 [classes].
    """
    counts, sums, products = np.zeros(classes), np.zeros((classes, width)), np.zeros((width, width))
    for values, labels in batches:
        for start in range(0, len(labels), _READ_TOGETHER):
            part = values[start : start + _READ_TOGETHER].astype(np.float64)
            of_part = labels[start : start + _READ_TOGETHER]
            np.add.at(sums, of_part, part)
            products += part.T @ part
            counts += np.bincount(of_part, minlength=classes)
    means = sums / np.maximum(counts, 1.0)[:, np.newaxis]
    within = (products - (means.T * counts) @ means) / counts.sum()
    kernel = np.linalg.solve(shrunk_covariance(within, shrinkage=shrinkage), means.T)
    bias = -0.5 * (means.T * kernel).sum(axis=0)
    absent = counts == 0
    kernel[:, absent], bias[absent] = 0.0, _NEVER
    return kernel / TEMPERATURE, bias / TEMPERATURE
