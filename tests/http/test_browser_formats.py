"""What the MediaRecorder of Chromium, Firefox and Safari writes: streams that never learn how long they are."""

import io

import av
import numpy as np
import pytest

RATE_HZ = 48_000


def stream(samples, container, codec, **options):
    """Encode speech (16 kHz) as a browser does: to a sink that cannot seek, packet by packet."""
    written = Unseekable()
    with av.open(written, "w", format=container, options=options) as output:
        track = output.add_stream(codec, rate=RATE_HZ, layout="mono")
        moments = np.arange(0, len(samples), 16_000 / RATE_HZ)
        louder = np.interp(moments, np.arange(len(samples)), samples).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(louder[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, 0
        for packet in [*track.encode(frame), *track.encode(None)]:
            output.mux(packet)
    return written.content.getvalue()


class Unseekable:
    """Nothing that was written can be mended afterwards: no length, no index."""

    def __init__(self):
        self.content = io.BytesIO()

    def write(self, data):
        return self.content.write(data)


def boxes(content):
    """Names of an MP4's outermost boxes, in order."""
    found, at = [], 0
    while at < len(content):
        found.append(content[at + 4 : at + 8].decode("ascii"))
        at += int.from_bytes(content[at : at + 4], "big")
    return found


def webm(samples):
    """Chromium's, and Firefox's newer one."""
    content = stream(samples, "webm", "libopus", live="1")
    assert content.startswith(b"\x1a\x45\xdf\xa3")
    assert b"\x1c\x53\xbb\x6b" not in content, "it has no cues"
    assert b"\x44\x89\x88" not in content, "it has no duration"
    return content


def ogg(samples):
    """Firefox's."""
    content = stream(samples, "ogg", "libopus")
    assert content.startswith(b"OggS")
    assert b"OpusHead" in content[:80]
    return content


def fragmented_mp4(samples):
    """Safari's."""
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
