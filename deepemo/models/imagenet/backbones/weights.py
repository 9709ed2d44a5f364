"""Find the ImageNet weights of a Keras network, or fetch them, and load weights files with errors that help."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import keras

from deepemo.errors import InputError

_CONNECT_SECONDS = 10
_SILENCE_SECONDS = 60


@dataclass(frozen=True)
class PublishedWeights:
    """A file of ImageNet weights without the classifier, as Keras publishes it.

    Attributes:
        url: its address in Keras's storage.
        md5: its digest in Keras's source; None if there is none, and the file is then not checked.
    """

    url: str
    md5: str | None

    @property
    def path(self) -> Path:
        """Where Keras keeps the file: `models/` in KERAS_HOME, by default `~/.keras`."""
        home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
        return Path(home).expanduser() / "models" / self.url.rpartition("/")[2]


def fetch_published(published: PublishedWeights, *, network_name: str) -> Path:
    """Path of the published weights, downloaded once and checked against their digest.

    Raises:
        InputError: they are not there and cannot be downloaded, or the downloaded file has another digest.
    """
    # Imported here, because a trained network is loaded without them.
    import pooch
    import requests

    path = published.path
    try:
        pooch.retrieve(
            published.url,
            known_hash=f"md5:{published.md5}" if published.md5 else None,
            fname=path.name,
            path=path.parent,
            downloader=pooch.HTTPDownloader(timeout=(_CONNECT_SECONDS, _SILENCE_SECONDS)),
        )
    except (requests.RequestException, OSError, ValueError) as error:
        unreachable = isinstance(error, requests.ConnectionError)
        reason = f"{urlsplit(published.url).hostname} cannot be reached" if unreachable else error
        found = "the file there is not the published one" if path.exists() else "no such file"
        raise InputError(
            f"no ImageNet weights for {network_name}:\n"
            f"  looked for {path}: {found};\n"
            f"  tried {published.url}: {reason}.\n"
            f"Put the file from that address at that path, or give the path of a weights file instead of 'imagenet', "
            f"or use efficientnet_lite0, whose ImageNet weights need no download."
        ) from error
    return path


def load_weights_file(network: keras.Model, path: Path) -> None:
    """Load a weights file of Keras: `.weights.h5`, or `.h5` in the older layout that keras.applications publishes.

    Raises:
        InputError: the file cannot be read, is not a Keras weights file, or belongs to another network.
    """
    try:
        with warnings.catch_warnings():
            # Keras warns of every container that the file lacks, and then raises for the layers in them.
            warnings.filterwarnings("ignore", message="Skipping nested container")
            network.load_weights(path)
    except (ValueError, KeyError, OSError) as error:
        reason = " ".join(line.strip() for line in str(error).splitlines()[:3] if line)
        raise InputError(f"{path}: not weights of {network.name} without its classifier: {reason}") from error
