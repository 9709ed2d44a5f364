"""The application of a server, around one model of a folder of models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fastapi import FastAPI

from deepemo.errors import InputError
from deepemo.files import file_sha256
from deepemo.http.app import create_app
from deepemo.http.server import Settings
from deepemo.serving.about import describe
from deepemo.serving.bundle import BUNDLE_FILE
from deepemo.serving.confidence import Origin
from deepemo.serving.models_folder import read_bundle, read_card
from deepemo.serving.recognizer import Recognizer


@dataclass(frozen=True, kw_only=True)
class Served:
    """A model and the settings of its server, to be passed to processes that are started later.

    Attributes:
        models: folder of a finished run.
        model: name of its predictor; None for the one that validation chose.
        origin: of the recordings that will come; None for the predictor's default.
        settings: of the server.
        bundle_sha256: of the folder's bundle, which has the digests of all networks.
    """

    models: Path
    model: str | None
    origin: Origin | None
    settings: Settings
    bundle_sha256: str

    @classmethod
    def find(cls, models: Path, model: str | None, origin: Origin | None, settings: Settings) -> Self:
        """Choose a model of a folder of models, without loading it.

        Raises:
            InputError: the folder has no bundle or an unusable one, or there is no such model or origin in it.
        """
        read_bundle(models).predictor(model)[1].calibration_for(origin)
        digest = file_sha256(models / BUNDLE_FILE)
        return cls(models=models, model=model, origin=origin, settings=settings, bundle_sha256=digest)

    def load(self) -> FastAPI:
        """The application, ready to answer.

        Raises:
            InputError: a file is missing or is not the one that was evaluated, or the bundle has changed since the
                server was started: all its processes must answer by the same model.
        """
        path = self.models / BUNDLE_FILE
        found = file_sha256(path)
        if found != self.bundle_sha256:
            raise InputError(
                f"{path}: found the digest {found[:12]}..., expected {self.bundle_sha256[:12]}..., which it had when "
                "the server was started; start it again to serve what is there now"
            )
        recognizer = Recognizer.load(self.models, self.model, self.origin)
        recognizer.warm_up()
        about = describe(read_bundle(self.models), self.model, self.origin)
        return create_app(recognizer, about, card=read_card(self.models), settings=self.settings)
