"""Parts of the API's description (OpenAPI) that its operations share: forms, and the errors that they may answer."""

from typing import Any

from fastapi import FastAPI

from deepemo.emotions import EMOTIONS, Emotions
from deepemo.http.problems import MEDIA_TYPE
from deepemo.http.schemas import ChannelsResponse, ProblemResponse, RecognitionResponse, example_of, example_of_each
from deepemo.http.uploads import FIELD
from deepemo.serving.results import UNKNOWN

# Most recordings in one request for a reference of a voice.
MOST_RECORDINGS = 100
REFUSED = {
    "s400": "Not the form that is expected",
    "s401": "The API key is missing or wrong",
    "s403": "Sent by a page of another site",
    "s408": "The upload did not arrive in time",
    "s413": "Larger or longer than is accepted",
    "s415": "Not multipart/form-data",
    "s503": "Too much to do; `Retry-After` says when to ask again",
}
FILE = {
    "type": "string",
    "format": "binary",
    "description": "A sound file: WAV, FLAC, OGG, MP3, AIFF, WebM, MP4/M4A and others",
}
FILES = {"type": "array", "items": FILE, "minItems": 1, "maxItems": MOST_RECORDINGS}
VOICE = {
    "type": "string",
    "description": "Reference of the speaker's voice, the JSON that `/v1/voice` answers. It is not kept",
}


def problems(**statuses: str) -> dict[int | str, dict[str, Any]]:
    """Documentation of error answers: `s422="..."`."""
    return {
        int(status[1:]): {
            "description": words,
            "model": ProblemResponse,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemResponse"}}},
        }
        for status, words in statuses.items()
    }


def form_of(**properties: dict[str, Any]) -> dict[str, Any]:
    """Documentation of a form that needs a file."""
    schema = {"type": "object", "required": [FIELD], "additionalProperties": False, "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def description_of(app: FastAPI, emotions: Emotions) -> dict[str, Any]:
    """The API's description (OpenAPI), with the emotions that its model tells apart in place of the seven.

    Args:
        app: the application; the description is made once and kept in it.
        emotions: of its model.
    """
    if app.openapi_schema is None:
        found = FastAPI.openapi(app)
        schemas = found["components"]["schemas"]
        schemas[RecognitionResponse.__name__]["examples"] = [example_of(emotions)]
        schemas[ChannelsResponse.__name__]["examples"] = [example_of_each(emotions)]
        app.openapi_schema = _of_emotions(found, emotions)
    return app.openapi_schema


def _of_emotions(schema: Any, emotions: Emotions) -> Any:
    """A part of a description, with only these emotions in lists of answers and in probabilities by emotion."""
    if isinstance(schema, list):
        return [_of_emotions(part, emotions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _of_emotions(part, emotions) for name, part in schema.items()}
    if found.get("enum") == [*EMOTIONS, UNKNOWN]:
        found["enum"] = [*emotions, UNKNOWN]
    if tuple(found.get("properties", ())) == EMOTIONS:
        found["properties"] = {emotion: found["properties"][emotion] for emotion in emotions}
        found["required"] = list(emotions)
    return found
