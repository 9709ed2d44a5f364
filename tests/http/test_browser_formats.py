"""Files as the MediaRecorder of Chromium, Firefox and Safari writes them: streams without a length."""

import pytest

from tests.fixtures.recorders import RATE_HZ, stream, webm


def boxes(content):
    """Names of an MP4's outermost boxes, in order."""
    found, at = [], 0
    while at < len(content):
        found.append(content[at + 4 : at + 8].decode("ascii"))
        at += int.from_bytes(content[at : at + 4], "big")
    return found


def ogg(samples):
    """The format of Firefox."""
    content = stream(samples, "ogg", "libopus")
    assert content.startswith(b"OggS")
    assert b"OpusHead" in content[:80]
    return content


def fragmented_mp4(samples):
    """The format of Safari."""
    flags = "empty_moov+default_base_moof+frag_keyframe"
    content = stream(samples, "mp4", "aac", movflags=flags, frag_duration="250000")
    names = boxes(content)
    assert names[:2] == ["ftyp", "moov"]
    assert names.count("moof") > 3
    header = content.index(b"mvhd")
    assert int.from_bytes(content[header + 20 : header + 24], "big") == 0, "its header tells no duration"
    return content


@pytest.mark.slow
@pytest.mark.parametrize(("make", "container"), [(webm, "matroska"), (ogg, "OGG"), (fragmented_mp4, "mov")])
def test_what_a_browser_records_is_answered(serve, recognizer, speech, make, container):
    content = make(speech)
    client = serve(recognizer)
    response = client.post("/v1/recognitions", files={"file": ("recording", content)}, params={"picture": True})
    assert response.status_code == 200
    answer = response.json()
    assert answer["answer"] == "happy"
    assert answer["recording"]["container"] == container
    assert answer["recording"]["rate_hz"] == RATE_HZ
    assert answer["recording"]["seconds"] == pytest.approx(len(speech) / 16_000, abs=0.1)
    assert answer["recording"]["voice_share"] > 0.4
