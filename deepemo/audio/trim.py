"""Cut silence off the ends of a clip."""

import numpy as np


def trim_silence(samples: np.ndarray, *, block_samples: int, below_db: float) -> np.ndarray:
    """Cut off the ends in which every block lies more than `below_db` below the loudest block.

    Args:
        samples: float32 [frames].
        block_samples: length of the blocks whose RMS is compared.
        below_db: distance from the loudest block, in dB.

    Returns:
        A view of `samples` from the first to the last block kept; all of it if it is silent or shorter than a block.
    """
    blocks = len(samples) // block_samples
    if blocks == 0:
        return samples
    whole = samples[: blocks * block_samples].reshape(blocks, block_samples)
    power = np.einsum("ij,ij->i", whole, whole, dtype=np.float64)  # [blocks]
    loud = np.flatnonzero(power > power.max() * 10 ** (-below_db / 10))
    if loud.size == 0:
        return samples
    end = len(samples) if loud[-1] == blocks - 1 else (loud[-1] + 1) * block_samples
    return samples[loud[0] * block_samples : end]
