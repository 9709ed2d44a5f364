"""Parts of the API's description (OpenAPI) that its operations share: forms, and the errors that they may answer."""

from typing import Any

from deepemo.http.problems import MEDIA_TYPE
from deepemo.http.schemas import ProblemResponse
from deepemo.http.uploads import FIELD

# In one request for a reference of a voice.
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
