import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from deepemo.audio.io.decode import PARTIAL, REMARKS, Remark
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.http.schemas import RecognitionResponse
from deepemo.serving.options import RecognitionOptions
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.results import (
    UNREADABLE,
    Reason,
    Recognition,
    RecordingInfo,
    RecordingRemark,
    Span,
    Timeline,
    unknown,
)

PROBABILITIES = dict(zip(EMOTIONS, (2 / 3, 1 / 3, 0.0, 0.0, 0.0, 0.0, 0.0), strict=True))
ROUNDED = dict.fromkeys(EMOTIONS, 0.0) | {"angry": 0.666667, "disgust": 0.333333}
SPAN = Span(start_seconds=1 / 3, end_seconds=2 / 3, answer="angry", reason=None, probabilities=PROBABILITIES)
RECOGNITION = Recognition(
    answer="unknown",
    reason=Reason.UNSURE,
    probabilities=PROBABILITIES,
    recording=RecordingInfo(
        seconds=1 / 3,
        rate_hz=44_100,
        channels=2,
        channel=0,
        container="WAV",
        rms_dbfs=-20.06,
        voice_share=2 / 3,
        voice_seconds=2 / 3,
        remarks=(RecordingRemark.of(Remark(PARTIAL, "a byte is missing")),),
    ),
    timeline=Timeline(window_seconds=2.5000001, hop_seconds=0.3, windows=(SPAN,), segments=(SPAN,)),
    model="shallow",
)
SPAN_JSON = {
    "start_seconds": 0.333,
    "end_seconds": 0.667,
    "answer": "angry",
    "reason": None,
    "confidence": 0.666667,
    "probabilities": ROUNDED,
}
JSON = {
    "answer": "unknown",
    "reason": "unsure",
    "explanation": "A voice is heard, but no emotion stands out enough for an answer.",
    "detail": None,
    "confidence": 0.666667,
    "probabilities": ROUNDED,
    "recording": {
        "seconds": 0.333,
        "rate_hz": 44_100,
        "channels": 2,
        "channel": 1,
        "container": "WAV",
        "rms_dbfs": -20.1,
        "voice_share": 0.667,
        "voice_seconds": 0.667,
        "remarks": [
            {
                "remark": "partial",
                "explanation": "Only a part of the recording could be read.",
                "detail": "a byte is missing",
            }
        ],
    },
    "timeline": {"window_seconds": 2.5, "hop_seconds": 0.3, "windows": [SPAN_JSON], "segments": [SPAN_JSON]},
    "model": "shallow",
    "voice": None,
}


def test_json_has_its_keys_in_their_order_and_rounds() -> None:
    assert json.dumps(RECOGNITION.to_dict()) == json.dumps(JSON)


def test_the_api_answers_the_same_json_with_a_picture() -> None:
    response = RecognitionResponse.of(RECOGNITION, None)
    assert json.loads(response.model_dump_json()) == {**JSON, "picture": None}
    assert list(response.to_dict()) == [*JSON, "picture"]


def test_values_are_exact_in_python_and_do_not_change() -> None:
    assert RECOGNITION.probabilities == PROBABILITIES
    assert RECOGNITION.recording is not None
    assert RECOGNITION.recording.channel == 0
    with pytest.raises(ValidationError):
        RECOGNITION.answer = "happy"


def test_confidence_and_explanation_cannot_contradict_the_answer() -> None:
    answer = Recognition(answer="unknown", reason=Reason.SILENT, explanation="x", confidence=1.0, model="shallow")
    assert (answer.explanation, answer.confidence) == ("The recording is silent.", None)
    assert Span(**{**dict(SPAN), "confidence": 1.0}).confidence == 0.666667


def test_what_could_not_be_read_is_no_response_of_the_api() -> None:
    for reason in UNREADABLE:
        with pytest.raises(ValidationError):
            RecognitionResponse.of(unknown(reason, model="shallow"), None)


def test_every_reason_and_remark_has_words() -> None:
    assert all(reason.explanation.endswith(".") for reason in Reason)
    assert all(words.endswith(".") for words in REMARKS.values())


def test_the_schema_names_what_can_be_answered() -> None:
    schema = TypeAdapter(RecognitionResponse).json_schema(mode="serialization")
    properties: dict[str, Any] = schema["properties"]
    assert list(properties) == [*JSON, "picture"] == schema["required"]
    assert properties["answer"]["enum"] == [*EMOTIONS, "unknown"]
    assert set(properties["reason"]["anyOf"][0]["enum"]) == set(Reason) - UNREADABLE
    probabilities = properties["probabilities"]["anyOf"][0]
    assert list(probabilities["properties"]) == list(EMOTIONS)
    recording = schema["$defs"]["RecordingInfo"]["properties"]
    assert list(recording) == list(JSON["recording"])
    assert recording["channel"]["anyOf"][0]["minimum"] == 1
    assert recording["voice_share"]["anyOf"][0] == {"maximum": 1, "minimum": 0, "type": "number"}
    assert schema["$defs"]["RecordingRemark"]["properties"]["remark"]["enum"] == list(REMARKS)
    assert all({"description", "$ref"} & set(field) for field in (*properties.values(), *recording.values()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hop_seconds", 0),
        ("hop_seconds", np.inf),
        ("hop_seconds", np.nan),
        ("min_confidence", 1.1),
        ("min_confidence", np.nan),
        ("max_seconds", 0),
        ("max_seconds", np.inf),
        ("channel", -1),
    ],
)
def test_an_impossible_option_is_named(recognizer: Recognizer, name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"Bad {name} {value}, expected "):
        replace(RecognitionOptions(), **{name: value})
    with pytest.raises(InputError, match=f"Bad {name} {value}, expected "):
        recognizer.recognize(np.zeros(100), 16_000, **{name: value})
