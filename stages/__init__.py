"""The pipeline's stages, one module each, run as `python -m stages.<name>`."""

import os

# TensorFlow announces at every start that it finds no GPU; what goes wrong still raises.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
