"""`deepemo listen`: one line per hop, and at the end the answer that a file with the same sound gets."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from deepemo.errors import InputError
from deepemo.serving import cli, listen
from deepemo.serving.pcm import PcmFormat, PcmReader
from deepemo.serving.sounds import microphone
from tests.fixtures.serving import RATE_HZ, s16, to_wav, tone


@pytest.fixture
def talk(speech) -> np.ndarray:
    return np.concatenate([3 * speech, speech])


@pytest.fixture
def hear(recognizer, monkeypatch):
    """Runs `deepemo listen` with the made-up model, and this on standard input."""
    monkeypatch.setattr(listen, "load", lambda models, model, origin: recognizer)
    return lambda sound, *arguments: CliRunner().invoke(cli.app, ["listen", *map(str, arguments)], input=sound)


def test_a_pipe_is_answered_at_each_hop_and_as_a_file_at_its_end(hear, recognizer, talk):
    run = hear(s16(talk), "-", "--rate", RATE_HZ, "--json")
    assert run.exit_code == 0, run.stderr
    *hops, whole = map(json.loads, run.stdout.splitlines())
    assert {hop["type"] for hop in hops} == {"answer"}
    assert [hop["window"]["end_seconds"] for hop in hops[:5]] == [1, 2, 2.5, 3.5, 4.5]
    assert whole.pop("type") == "recognition"
    expected = recognizer.recognize(to_wav(talk)).to_dict()
    assert (whole["recording"].pop("container"), expected["recording"].pop("container")) == ("PCM", "WAV")
    assert whole == expected


def test_a_voice_that_is_known_is_answered_with_its_reference(hear, comparing, monkeypatch, tmp_path):
    monkeypatch.setattr(listen, "load", lambda models, model, origin: comparing)
    sound, voice = tone(4, 0.1), tmp_path / "voice.json"
    voice.write_text(comparing.make_reference([tone(2, 0.5), tone(2, 0.6)], RATE_HZ).to_json())
    run = hear(s16(sound), "-", "--rate", RATE_HZ, "--json", "--voice", voice)
    assert run.exit_code == 0, run.stderr
    *hops, whole = map(json.loads, run.stdout.splitlines())
    assert [hop["window"]["answer"] for hop in hops] == ["sad"] * len(hops)
    assert (whole["answer"], whole["voice"]["used"]) == ("sad", True)
    assert "warning" not in run.stderr

    voice.write_text(comparing.make_reference([tone(2, 0.5)], RATE_HZ).to_json())
    run = hear(s16(sound), "-", "--rate", RATE_HZ, "--voice", voice)
    assert "warning: the reference of the voice is not used. The reference rests on 1 recording" in run.stderr
    voice.write_text("{}")
    run = hear(s16(sound), "-", "--rate", RATE_HZ, "--voice", voice)
    assert (run.exit_code, str(voice) in run.stderr) == (2, True)


def test_people_get_a_table_and_the_whole_answer_below_it(hear, recognizer, speech):
    recognizer.expectation = "Expect 41% to be named rightly."
    talk = np.concatenate([3 * speech, np.zeros(4 * RATE_HZ, np.float32), speech])
    run = hear(s16(talk), "-", "--rate", RATE_HZ)
    lines = run.stdout.splitlines()
    assert lines[0].split() == ["WINDOW", "ANSWER", "SURE", "SO", "FAR", "SURE", "REMARK"]
    assert lines[1].split() == ["0.0", "to", "1.0", "s", "angry", "88%", "angry", "88%"]
    pause = next(line for line in lines if line.endswith("no_voice"))
    assert pause.split()[4] == "unknown"
    assert pause.count("%") == 1, "of the answer so far alone"
    header = lines.index(next(line for line in lines if line.startswith("FILE")))
    assert lines[header + 1].startswith("standard input")
    assert len(lines) > header + 2, "the segments"
    assert "Expect 41% to be named rightly." in run.stderr


def test_floats_of_two_channels_may_come_in_odd_pieces():
    frames = np.arange(20, dtype="<f4").reshape(10, 2) / 20
    reader = PcmReader(PcmFormat.F32, channels=2)
    content = frames.tobytes() + b"\0\0\0"
    found = [reader.frames(content[first : first + 13]) for first in range(0, len(content), 13)]
    np.testing.assert_array_equal(np.concatenate(found), frames)


@pytest.mark.parametrize(
    ("arguments", "sound", "named"),
    [
        (["-"], b"", "--rate"),
        (["a.wav"], b"", "deepemo predict"),
        (["-", "--rate", 16_000, "--channels", 3], b"", "--channels"),
        (["-", "--rate", 16_000, "--format", "mp3"], b"", "--format"),
        (["-", "--rate", 16_000], to_wav(tone()), "found WAV, expected PCM without a header"),
    ],
)
def test_wrong_usage_ends_with_status_2(hear, arguments, sound, named):
    run = hear(sound, *arguments)
    assert run.exit_code == 2
    assert named in run.stderr


@pytest.mark.slow
def test_what_is_too_long_is_answered_up_to_there(hear):
    run = hear(s16(tone(3)) + s16(tone(200)), "-", "--rate", RATE_HZ, "--max-seconds", 100, "--json")
    assert run.exit_code == 0
    assert "longer than 100 s" in run.stderr
    seconds = json.loads(run.stdout.splitlines()[-1])["recording"]["seconds"]
    assert 90 < seconds <= 100


@pytest.mark.slow
def test_ctrl_c_ends_it_with_the_whole_answer(tmp_path):
    # If the tests run in the background, SIGINT is ignored, and the command would ignore it too.
    code = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from deepemo.serving import cli, listen
from deepemo.serving.recognizer import Recognizer
from tests.fixtures.serving import GATE, LIMITS, LoudnessModel
listen.load = lambda models, model, origin: Recognizer(LoudnessModel(), gate=GATE, limits=LIMITS)
cli.app()
"""
    command = [sys.executable, "-c", code, "listen", "-", "--rate", str(RATE_HZ), "--json"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(s16(tone(2)))
    process.stdin.flush()
    first = json.loads(process.stdout.readline())
    assert first["window"]["end_seconds"] == 1
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    # Its standard input stays open, so only Ctrl+C ends it.
    process.wait(60)
    *_, whole = map(json.loads, process.stdout.read().splitlines())
    assert process.returncode == 0
    assert (whole["type"], whole["recording"]["seconds"]) == ("recognition", 2)
    assert "Traceback" not in process.stderr.read().decode()
    process.stdin.close()


class PortAudioError(Exception):
    pass


@pytest.fixture
def portaudio(monkeypatch, talk):
    """A made-up PortAudio whose only microphone hears `talk`, and then somebody presses Ctrl+C."""
    opened = []

    class InputStream:
        def __init__(self, **options) -> None:
            self.options = options
            opened.append(options)

        def start(self) -> None:
            if self.options["samplerate"] == 8000:
                raise PortAudioError("Invalid sample rate")
            block = np.empty((self.options["blocksize"], 1), np.float32)
            for first in range(0, len(talk) - len(block), len(block)):
                block[:, 0] = talk[first : first + len(block)]
                self.options["callback"](block, len(block), None, None)

        def close(self) -> None:
            opened.append("closed")

    def query_devices(device, kind):
        assert kind == "input"
        if device not in (None, 0, "headset"):
            raise ValueError(f"No input device matching {device!r}")
        return {"name": "Headset", "default_samplerate": float(RATE_HZ)}

    made = SimpleNamespace(InputStream=InputStream, query_devices=query_devices, PortAudioError=PortAudioError)
    monkeypatch.setitem(sys.modules, "sounddevice", made)
    return opened


def test_a_microphone_is_heard_until_ctrl_c(hear, portaudio, monkeypatch):
    printed = listen._print

    def press(text: str) -> None:
        printed(text)
        if '"heard_seconds": 4.5' in text:
            raise KeyboardInterrupt

    monkeypatch.setattr(listen, "_print", press)
    run = hear(None, "--json", "--device", "headset")
    assert run.exit_code == 0, run.stderr
    assert "listening to Headset, 16000 Hz" in run.stderr
    whole = json.loads(run.stdout.splitlines()[-1])
    assert (whole["answer"], whole["recording"]["channels"]) == ("angry", 1)
    assert portaudio[0]["device"] == "headset"
    assert portaudio[0]["samplerate"] == RATE_HZ
    assert portaudio[-1] == "closed"


def test_a_microphone_that_is_not_there_is_told(hear, portaudio):
    run = hear(None, "--device", "7")
    assert run.exit_code == 2
    assert run.stderr == "error: no microphone can be used: No input device matching 7\n"
    run = hear(None, "--rate", "8000")
    assert run.stderr.splitlines()[-1] == "error: no microphone can be used: Invalid sample rate"
    assert portaudio[-1] == "closed"


def test_without_the_extra_or_its_library_the_error_says_what_brings_them(hear, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    run = hear(None)
    assert run.exit_code == 2
    assert run.stderr.endswith("the extra deepemo[microphone] brings it\n")

    class NoLibrary:
        def find_spec(self, name, path=None, target=None):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice")
    monkeypatch.setattr(sys, "meta_path", [NoLibrary(), *sys.meta_path])
    with pytest.raises(InputError, match=r"PortAudio library not found .*libportaudio2"):
        microphone()
