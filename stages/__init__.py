"""The pipeline's stages, one module each, run as `python -m stages.<name>`."""

import os
import sys

from deepemo.errors import InputError, extra
from deepemo.reproducible import pin

# TensorFlow reports at every start that it finds no GPU. Errors are still raised.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# This comes before any stage imports NumPy or TensorFlow, which read their limits when they are loaded.
UNPINNED = pin()

try:
    with extra("pipeline"):
        import espeakng_loader  # noqa: F401 - the package of the extra that is imported fastest
except InputError as error:
    sys.exit(f"error: {error}")
