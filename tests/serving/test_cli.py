import csv
import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from deepemo.emotions import EMOTIONS
from deepemo.serving import cli
from deepemo.serving.command import READER_GONE, UNUSABLE
from deepemo.serving.options import RecognitionOptions
from deepemo.serving.printing import AnswerTable
from deepemo.serving.results import Recognition
from tests.fixtures.serving import LIMITS, LoudnessModel, tone


@pytest.fixture
def predict(trusting, monkeypatch):
    """Runs `deepemo predict` with the made-up model."""
    monkeypatch.setattr(cli, "load", lambda models, model, origin: trusting)
    return lambda *arguments: CliRunner().invoke(cli.app, ["predict", *map(str, arguments)])


@pytest.fixture
def recordings(tmp_path, wav):
    """A folder of three good recordings, a bad one, and a file that is not a recording."""
    (tmp_path / "deeper").mkdir()
    (tmp_path / "a.wav").write_bytes(wav(tone(2)))
    (tmp_path / "b.wav").write_bytes(b"not sound")
    (tmp_path / "c.flac").write_bytes(wav(tone(1, 0.1), format="FLAC"))
    (tmp_path / "deeper" / "d.WAV").write_bytes(wav(np.concatenate([tone(10), tone(5, 0.1)])))
    (tmp_path / "notes.txt").write_text("not a recording")
    return tmp_path


def test_a_folder_is_answered_in_order_and_one_bad_file_stops_nothing(predict, recordings):
    run = predict(recordings)
    lines = run.stdout.splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["angry", "unknown", "happy", "angry"]
    assert "not a sound file" in lines[2]
    assert run.stderr.splitlines() == ["1 of 4 could not be read"]
    assert run.exit_code == 1


def test_people_are_told_what_to_expect_of_their_own_recordings(predict, trusting, tmp_path, wav):
    (tmp_path / "a.wav").write_bytes(wav(tone(1)))
    trusting.expectation = "Expect 41% to be named rightly."
    assert predict(tmp_path / "a.wav").stderr == "Expect 41% to be named rightly.\n"
    assert predict(tmp_path / "a.wav", "--json").stderr == ""
    assert predict(tmp_path / "a.wav", "--csv").stderr == ""


def test_unknown_is_an_answer(predict, tmp_path, wav):
    (tmp_path / "silent.wav").write_bytes(wav(0 * tone(1)))
    run = predict(tmp_path / "silent.wav")
    assert run.exit_code == 0
    assert "unknown" in run.stdout


@pytest.mark.parametrize(("share", "shown"), [(0.994, "99%"), (0.996, ">99%"), (1.0, "100%")])
def test_certainty_is_not_rounded_up_to(share, shown):
    probabilities = dict.fromkeys(EMOTIONS, 0.0) | {"sad": share}
    answer = Recognition(answer="sad", probabilities=probabilities, model="fake")
    assert AnswerTable([], timeline=False, colour=False).answer(Path("a.wav"), answer).split() == [
        "a.wav",
        "sad",
        shown,
    ]


def test_json_lines_hold_everything(predict, recordings):
    objects = [json.loads(line) for line in predict(recordings, "--json", "--timeline").stdout.splitlines()]
    assert [content["answer"] for content in objects] == ["angry", "unknown", "happy", "angry"]
    assert objects[1]["reason"] == "undecodable"
    assert objects[2]["recording"]["container"] == "FLAC"
    assert objects[0]["timeline"] is None
    segments = objects[3]["timeline"]["segments"]
    assert (segments[0]["answer"], segments[-1]["answer"]) == ("angry", "happy")


def test_csv_has_a_row_a_file_or_a_row_a_segment(predict, recordings):
    rows = list(csv.DictReader(io.StringIO(predict(recordings, "--csv").stdout)))
    assert [row["answer"] for row in rows] == ["angry", "unknown", "happy", "angry"]
    assert sum(float(rows[0][emotion]) for emotion in EMOTIONS) == pytest.approx(1, abs=1e-3)
    assert rows[1]["angry"] == ""
    longer = list(csv.DictReader(io.StringIO(predict(recordings, "--csv", "--timeline").stdout)))
    assert [row["file"] for row in longer].count(str(recordings / "deeper" / "d.WAV")) >= 2


def test_a_channel_or_each_of_them_is_answered(predict, tmp_path, wav):
    call = tmp_path / "call.wav"
    call.write_bytes(wav(np.stack([tone(2), tone(2, 0.1)], axis=1)))
    mono = tmp_path / "mono.wav"
    mono.write_bytes(wav(tone(2)))

    def answers(*options):
        rows = csv.DictReader(io.StringIO(predict(tmp_path, "--csv", *options).stdout))
        return [(row["answer"], row["channel"], row["remarks"]) for row in rows]

    assert answers() == [("angry", "", ""), ("angry", "", "")]
    assert answers("--channel", "left") == [("angry", "1", ""), ("angry", "1", "")]
    assert answers("--channel", "right") == [("happy", "2", ""), ("angry", "1", "fewer_channels")]
    assert answers("--channel", "each") == [("angry", "1", ""), ("happy", "2", ""), ("angry", "1", "")]
    lines = predict(call, "--channel", "each").stdout.splitlines()
    assert ["channel 1" in lines[1], "channel 2" in lines[2]] == [True, True]
    assert predict(call, "--channel", "middle").exit_code == 2


def test_what_is_missing_of_a_recording_is_said(predict, tmp_path, wav):
    cut = tmp_path / "cut.wav"
    cut.write_bytes(wav(tone(3))[:-16_000])
    run = predict(cut)
    assert run.exit_code == 0
    assert "angry" in run.stdout
    assert "partial (the file ends 16000 bytes before the end of its sound)" in run.stdout
    [content] = map(json.loads, predict(cut, "--json").stdout.splitlines())
    assert content["recording"]["remarks"] == [
        {
            "remark": "partial",
            "explanation": "Only a part of the recording could be read.",
            "detail": "the file ends 16000 bytes before the end of its sound",
        }
    ]


def test_a_missing_file_is_reported_and_the_others_are_answered(predict, recordings):
    run = predict(recordings / "nowhere.wav", recordings / "a.wav")
    assert "No such file" in run.stdout
    assert "angry" in run.stdout
    assert run.exit_code == 1


def test_a_file_named_like_csv_needs_is_quoted(predict, tmp_path, wav):
    odd = tmp_path / 'a, "b"\n.wav'
    odd.write_bytes(wav(tone(1)))
    rows = list(csv.DictReader(io.StringIO(predict(odd, "--csv").stdout, newline="")))
    assert rows[0]["file"] == str(odd)


@pytest.mark.parametrize("name", ["a\rb.wav", "a\nb.wav", "\r\n.wav"])
def test_a_line_end_in_a_name_makes_no_second_row(predict, tmp_path, wav, name):
    (tmp_path / name).write_bytes(wav(tone(1)))
    rows = list(csv.DictReader(io.StringIO(predict(tmp_path, "--csv").stdout_bytes.decode(), newline="")))
    assert [(row["file"], row["answer"]) for row in rows] == [(str(tmp_path / name), "angry")]


def test_hidden_files_in_a_folder_are_nobodys_recording(predict, tmp_path, wav):
    for name in ("._a.wav", "__MACOSX/a.wav", ".cache/a.wav", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no sound")
    (tmp_path / "a.wav").write_bytes(wav(tone(1)))
    run = predict(tmp_path)
    assert len(run.stdout.splitlines()) == 2
    assert run.exit_code == 0
    assert predict(tmp_path / "._a.wav").exit_code == 1, "a file that is named itself is tried"


def test_a_folder_inside_that_cannot_be_listed_is_reported(predict, tmp_path, wav, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a.wav").write_bytes(wav(tone(1)))
    listed = os.scandir

    def scandir(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        run = predict(tmp_path)
    assert [line.split()[1] for line in run.stdout.splitlines()[1:]] == ["unknown", "angry"]
    assert run.stderr.splitlines() == ["1 of 2 could not be read"]


def test_a_git_lfs_pointer_is_called_one(predict, tmp_path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0a" * 32 + "\nsize 98254\n"
    (tmp_path / "a.wav").write_text(pointer)
    run = predict(tmp_path, "--json")
    answer = json.loads(run.stdout)
    assert answer["reason"] == "undecodable"
    assert answer["detail"].startswith(f"{tmp_path}/a.wav: a Git LFS pointer, not a recording. GitHub's 'Download ZIP'")
    assert "git lfs pull" in answer["detail"]
    assert run.exit_code == 1


def test_no_name_breaks_the_table_or_commands_the_terminal(predict, tmp_path, wav):
    (tmp_path / "a\nb\x1b[31m\x07.wav").write_bytes(wav(tone(1)))
    _header, line = predict(tmp_path).stdout.splitlines()
    assert line.split()[0].endswith(r"a\nb\x1b[31m\x07.wav")
    assert line.split()[1] == "angry"


@pytest.mark.parametrize("name", ["a\rb.wav", "a\nb.wav", "\x1b[31mred.wav", "\x85.wav", '"a",b.wav', "a\tb.wav"])
def test_any_name_comes_back_from_csv(predict, tmp_path, wav, name):
    (tmp_path / name).write_bytes(wav(tone(1)))
    written = io.StringIO(predict(tmp_path, "--csv").stdout_bytes.decode(), newline="")
    assert [row["file"] for row in csv.DictReader(written)] == [str(tmp_path / name)]


def test_a_name_that_is_not_utf8_goes_out_as_it_came_in(predict, tmp_path, wav):
    name = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    Path(os.fsdecode(name)).write_bytes(wav(tone(1)))
    run = predict(tmp_path, "--json")
    assert run.stdout.isascii()
    assert os.fsencode(json.loads(run.stdout)["file"]) == name
    assert name in predict(tmp_path, "--csv").stdout_bytes
    assert r"caf\udce9.wav" in predict(tmp_path).stdout


def test_files_given_by_name_are_tried_whatever_they_are_called(predict, tmp_path, wav):
    (tmp_path / "voice.bin").write_bytes(wav(tone(1)))
    assert "angry" in predict(tmp_path / "voice.bin").stdout
    assert predict(tmp_path).exit_code == 1, "a folder without recordings is nothing answered"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.wav", "--json", "--csv"],
        ["a.wav", "--min-confidence", "2"],
        ["a.wav", "--min-confidence", "nan"],
        ["a.wav", "--hop-seconds", "inf"],
        ["a.wav", "--max-seconds", "inf"],
        ["a.wav", "--hop-seconds", "1e308"],
        ["a.wav", "--max-seconds", "1e308"],
        ["--what"],
    ],
)
def test_wrong_usage_ends_with_status_2(predict, arguments):
    assert predict(*arguments).exit_code == 2


def test_an_origin_that_the_model_has_no_confidence_for_is_refused(made_models, tmp_path, wav):
    (tmp_path / "a.wav").write_bytes(wav(tone(1)))
    command = ["predict", str(tmp_path / "a.wav"), "--models", str(made_models), "--origin", "other"]
    run = CliRunner().invoke(cli.app, command)
    assert run.exit_code == UNUSABLE
    assert run.stderr.startswith("error: Bad origin 'other', expected 'heard'")


def test_a_file_is_read_from_standard_input(trusting, monkeypatch, tmp_path, wav):
    monkeypatch.setattr(cli, "load", lambda models, model, origin: trusting)
    (tmp_path / "quiet.wav").write_bytes(wav(tone(1, 0.1)))

    def ask(content, *arguments):
        return CliRunner().invoke(cli.app, ["predict", *arguments], input=content)

    run = ask(wav(tone(2)), "-", str(tmp_path / "quiet.wav"), "--json")
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(each["file"], each["answer"]) for each in answers] == [
        ("-", "angry"),
        (str(tmp_path / "quiet.wav"), "happy"),
    ]
    assert answers[0]["recording"]["seconds"] == 2
    call = ask(wav(np.stack([tone(2), tone(2, 0.1)], axis=1)), "-", "--channel", "each", "--json")
    assert [json.loads(line)["answer"] for line in call.stdout.splitlines()] == ["angry", "happy"]
    assert ask(b"no sound", "-").exit_code == cli.SOME_UNREADABLE
    assert ask(wav(tone(1)), "-", "-").exit_code == 2


@pytest.mark.parametrize("command", [["predict", "a.wav"], ["export", "--format", "tflite"], ["serve", "--port", "0"]])
def test_names_of_models_are_those_of_the_bundle(made_models, command):
    run = CliRunner().invoke(cli.app, [*command, "--models", str(made_models), "--model", "other"])
    assert run.exit_code == UNUSABLE
    assert run.stderr == "error: Bad model 'other', expected one of ['shallow', 'transfer', 'ensemble']\n"


def test_a_server_without_its_packages_says_what_brings_them(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "deepemo.http.served", None)
    run = CliRunner().invoke(cli.app, ["serve", "--models", str(tmp_path)])
    assert run.exit_code == UNUSABLE
    [line] = run.stderr.splitlines()
    assert line.endswith("; the extra deepemo[serve] brings it")


def test_no_model_ends_with_status_2_and_says_what_to_do(tmp_path):
    run = CliRunner().invoke(cli.app, ["predict", "a.wav", "--models", str(tmp_path)])
    assert run.exit_code == 2
    assert "bundle.json" in run.stderr
    assert "dvc repro" in run.stderr
    assert "Traceback" not in run.stderr


def test_answers_come_while_later_files_are_not_yet_there(trusting, tmp_path, wav):
    """A list that never ends is still answered: nothing waits for its end."""
    from itertools import islice, repeat

    from deepemo.serving.folders import recognize_all

    (tmp_path / "a.wav").write_bytes(wav(tone(1)))
    options = RecognitionOptions(timeline=False, max_seconds=60)
    answers = recognize_all(trusting, repeat(tmp_path / "a.wav"), options)
    assert [recognition.answer for _, [recognition] in islice(answers, 20)] == ["angry"] * 20
    answers.close()


def test_corpora_are_listed_with_licence_and_what_is_on_disk(tmp_path):
    run = CliRunner().invoke(cli.app, ["corpora", "--raw-dir", str(tmp_path)])
    assert run.exit_code == 0
    for word in ("synthetic", "ravdess", "licence", "on disk", "nothing"):
        assert word in run.stdout


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(tmp_path, wav):
    """The pipe is closed before the first answer, as `| head -n 1` does."""
    (tmp_path / "a.wav").write_bytes(wav(tone(1)))
    answering = """
import sys
from deepemo.serving import cli
from deepemo.serving.command import READER_GONE, UNUSABLE
from deepemo.serving.results import unknown
cli.load = lambda models, model, origin: None
cli.recognize_all = lambda recognizer, paths, *_, **__: ((path, [unknown("silent", model="fake")]) for path in paths)
sys.stdin.read()
cli.app()
"""
    command = [sys.executable, "-c", answering, "predict", str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        process.stdout.close()
        process.stdin.close()
        said = process.stderr.read()
        assert process.wait(60) == READER_GONE
    assert said == b""


def test_an_address_that_cannot_be_listened_at_is_told_before_anything_is_loaded(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = CliRunner().invoke(cli.app, ["serve", "--port", port, "--models", str(tmp_path)])
    assert run.exit_code == UNUSABLE
    assert run.stderr == f"error: cannot listen at 127.0.0.1, port {port}: Address already in use\n"
    run = CliRunner().invoke(
        cli.app, ["serve", "--host", "nowhere.invalid", "--allow-host", "a", "--models", str(tmp_path)]
    )
    assert run.exit_code == UNUSABLE
    assert run.stderr.splitlines()[-1].startswith("error: cannot listen at nowhere.invalid, port 8000: ")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "voice.example"])
def test_a_server_for_others_asks_for_the_names_it_is_reached_by(tmp_path, host):
    run = CliRunner().invoke(cli.app, ["serve", "--host", host, "--models", str(tmp_path)])
    assert run.exit_code == 2
    assert "--allow-host" in run.stderr
    assert host in run.stderr


def test_a_server_answers_to_the_names_it_was_given(monkeypatch, made_models):
    """From the options of the command to the settings of the server."""
    found = []
    monkeypatch.setattr(cli, "bind", lambda host, port: socket.socket())
    served = SimpleNamespace(warm_up=lambda: None, limits=LIMITS, model=LoudnessModel())
    monkeypatch.setattr("deepemo.http.served.Recognizer", SimpleNamespace(load=lambda *_: served))
    monkeypatch.setattr(cli, "run", lambda app, bound, settings, **_: found.append(settings))
    monkeypatch.setattr(cli, "address_of", lambda host, bound: host)
    for options in (
        [],
        ["--host", "0.0.0.0", "--allow-host", "Voice.Example", "--allow-origin", "https://Friend.example/"],
        ["--host", "0.0.0.0", "--allow-host", "*", "--connections", "9", "--connections-per-address", "8"],
    ):
        assert CliRunner().invoke(cli.app, ["serve", "--models", str(made_models), *options]).exit_code == 0
    assert found[0].hosts == ("127.0.0.1", "localhost", "[::1]")
    assert (found[1].hosts, found[1].origins) == (("voice.example",), ("https://friend.example",))
    assert (found[2].hosts, found[2].connections, found[2].connections_per_address) == ((), 9, 8)


@pytest.fixture
def run(comparing, monkeypatch):
    """Runs `deepemo` with a made-up model that takes references of voices."""
    monkeypatch.setattr(cli, "load", lambda models, model, origin: comparing)
    return lambda *arguments: CliRunner().invoke(cli.app, list(map(str, arguments)))


def test_recordings_of_one_voice_are_compared_with_one_another(run, recordings):
    lines = run("predict", recordings, "--same-voice", "--json").stdout.splitlines()
    answers = [json.loads(line) for line in lines]
    assert [answer["answer"] for answer in answers] == ["angry", "unknown", "sad", "angry"]
    # A recording of 15 s counts as its five windows that do not overlap.
    assert [answer["voice"] and answer["voice"]["recordings"] for answer in answers] == [6, None, 6, 2]


def test_each_folder_may_be_a_voice_of_its_own(run, recordings):
    answers = [
        json.loads(line) for line in run("predict", recordings, "--voice-per-folder", "--json").stdout.splitlines()
    ]
    assert [answer["voice"] and answer["voice"]["used"] for answer in answers] == [False, None, False, False]
    assert answers[0]["voice"]["reason"] == "The reference rests on 1 recording, expected at least 2."
    assert "too much alike" in answers[3]["voice"]["reason"]  # its windows are equally loud
    table = run("predict", recordings, "--voice-per-folder").stdout.splitlines()
    assert "voice not known: The reference rests on 1 recording" in table[1]


def test_a_voice_is_kept_in_a_file_and_used(run, recordings, tmp_path):
    kept = tmp_path / "kept" / "voice.json"
    made = run("voice", recordings / "a.wav", recordings / "c.flac", "-o", kept)
    assert (made.exit_code, made.stderr) == (0, "")
    assert made.stdout == f"{kept}: 2 clips with speech (files given: 2)\n"
    answer = json.loads(run("predict", recordings / "a.wav", "--voice", kept, "--json").stdout)
    assert (answer["answer"], answer["voice"]) == ("angry", {"recordings": 2, "used": True, "reason": None})
    few = run("voice", recordings / "a.wav", "-o", kept)
    assert "warning: this reference will not be used. The reference rests on 1 recording" in few.stderr


def test_a_voice_that_is_none_is_said_by_name(run, recordings, tmp_path):
    (tmp_path / "voice.json").write_text('{"format": "deepemo-voice-1", "recordings": NaN}')
    refused = run("predict", recordings / "a.wav", "--voice", tmp_path / "voice.json")
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"error: {tmp_path / 'voice.json'}: ")
    assert run("predict", recordings / "a.wav", "--voice", tmp_path / "none.json").exit_code == 2
    assert "not a sound file" in run("voice", recordings / "b.wav", "-o", tmp_path / "new.json").stderr
    assert not (tmp_path / "new.json").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--same-voice", "--voice-per-folder"),
        ("--same-voice", "--voice", "x"),
        ("--same-voice", "--channel", "each"),
        ("--voice", "x", "--channel", "each"),
    ],
)
def test_ways_of_knowing_a_voice_exclude_one_another(run, recordings, options):
    refused = run("predict", recordings, *options)
    assert refused.exit_code == 2
    assert "choose" in refused.stderr
