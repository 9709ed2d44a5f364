"""Weights that exist, that are missing, and that belong to another network."""

import hashlib
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import NoReturn

import h5py
import keras
import numpy as np
import pytest

from deepemo.errors import InputError
from deepemo.models.imagenet.backbones.applications import APPLICATIONS
from deepemo.models.imagenet.backbones.build import build_backbone
from deepemo.models.imagenet.backbones.weights import PublishedWeights, fetch_published, load_weights_file

CONTENT = b"a file of weights"
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def unresolved(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)


@pytest.fixture
def server() -> Iterator[str]:
    """Address of a server on this machine that has one file, `weights.h5`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/weights.h5" else 404)
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def small_network(channels: int = 4) -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(channels, 3)(image)
    return keras.Model(image, keras.layers.BatchNormalization()(x), name="small")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["inception_v3", "mobilenet_v2"])
def test_without_network_or_file_says_how_to_get_them(name: str, keras_home: Path) -> None:
    started = time.monotonic()
    with pytest.raises(InputError) as raised:
        build_backbone(name, weights="imagenet", height=96, width=96)
    message = str(raised.value)
    url = APPLICATIONS[name].weights.url
    assert f"no ImageNet weights for {name}" in message
    assert f"{keras_home / 'models' / url.rpartition('/')[2]}: no such file" in message
    assert f"{url}: storage.googleapis.com cannot be reached" in message
    assert "efficientnet_lite0" in message
    assert time.monotonic() - started < 30


@pytest.mark.usefixtures("no_network")
def test_a_wrong_file_in_keras_home_is_kept_and_named(keras_home: Path) -> None:
    published = APPLICATIONS["inception_v3"].weights
    published.path.parent.mkdir(parents=True)
    published.path.write_bytes(b"half a download")
    with pytest.raises(InputError, match="the file there is not the published one"):
        fetch_published(published, network_name="inception_v3")
    assert published.path.read_bytes() == b"half a download"


def test_downloads_once_and_checks_the_digest(server: str, keras_home: Path) -> None:
    published = PublishedWeights(f"{server}/weights.h5", MD5)
    path = fetch_published(published, network_name="small")
    assert path == keras_home / "models" / "weights.h5"
    assert path.read_bytes() == CONTENT
    modified = path.stat().st_mtime_ns
    assert fetch_published(published, network_name="small").stat().st_mtime_ns == modified


def test_refuses_a_download_with_another_digest(server: str) -> None:
    published = PublishedWeights(f"{server}/weights.h5", "0" * 32)
    with pytest.raises(InputError, match=f"hash.*{MD5}"):
        fetch_published(published, network_name="small")
    assert not published.path.exists()


def test_passes_on_what_the_server_says(server: str) -> None:
    with pytest.raises(InputError, match="404"):
        fetch_published(PublishedWeights(f"{server}/gone.h5", None), network_name="small")


@pytest.mark.parametrize("name", ["own.weights.h5", "older_layout.h5"])
def test_loads_both_layouts_of_keras(name: str, tmp_path: Path) -> None:
    saved, loaded = small_network(), small_network()
    if name.endswith(".weights.h5"):
        saved.save_weights(tmp_path / name)
    else:
        saved.save(tmp_path / name)
    load_weights_file(loaded, tmp_path / name)
    for weight, wanted in zip(loaded.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, wanted)


def test_refuses_weights_of_another_network(tmp_path: Path) -> None:
    wider = tmp_path / "wider.weights.h5"
    small_network(channels=5).save_weights(wider)
    deeper = tmp_path / "deeper.weights.h5"
    keras.Sequential([small_network(), keras.layers.Conv2D(4, 1)]).save_weights(deeper)
    other = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(other)
    for path in (wider, deeper, other):
        with pytest.raises(InputError, match=rf"{path.name}: not weights of small"):
            load_weights_file(small_network(), path)


def test_refuses_a_file_that_lacks_a_layer(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = tmp_path / "torn.weights.h5"
    small_network().save_weights(path)
    with h5py.File(path, "a") as file:
        del file["layers/batch_normalization"]
    with pytest.raises(InputError, match=r"torn\.weights\.h5: .*batch_normalization\w*' expected 4 variables"):
        load_weights_file(small_network(), path)
    assert not recwarn


def test_refuses_what_is_no_weights_file(tmp_path: Path) -> None:
    text = tmp_path / "text.weights.h5"
    text.write_text("not HDF5")
    with pytest.raises(InputError, match=r"text\.weights\.h5: not weights of small"):
        load_weights_file(small_network(), text)
    with pytest.raises(InputError, match=r"missing\.h5: not weights of small"):
        load_weights_file(small_network(), tmp_path / "missing.h5")
