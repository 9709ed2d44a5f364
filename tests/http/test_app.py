import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deepemo.emotions import EMOTIONS
from deepemo.http.problems import PROBLEMS
from deepemo.params import VoiceDecision
from deepemo.serving.recognizer import Recognizer
from tests.fixtures.serving import LIMITS, LoudnessModel, to_wav, tone


def send(client, content, name="voice.wav", **options):
    return client.post("/v1/recognitions", files={"file": (name, content, "audio/wav")}, **options)


def assert_problem(response, status, reason):
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    problem = response.json()
    assert problem["reason"] == reason
    assert problem["status"] == status
    assert problem["type"] == f"urn:deepemo:problem:{reason}"
    return problem


def test_a_recording_is_answered(client, wav):
    response = send(client, wav(tone(2)))
    assert response.status_code == 200
    answer = response.json()
    assert answer["answer"] == "angry"
    assert answer["reason"] is None
    assert answer["confidence"] == pytest.approx(0.88)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert answer["recording"]["seconds"] == 2
    assert answer["picture"] is None


def test_one_channel_can_be_asked_for(client, wav):
    call = wav(np.stack([tone(2), tone(2, 0.1)], axis=1))
    for channel, answer, number in (("mix", "angry", None), ("left", "angry", 1), ("right", "happy", 2)):
        heard = send(client, call, params={"channel": channel}).json()
        assert (heard["answer"], heard["recording"]["channel"]) == (answer, number)
    assert_problem(send(client, call, params={"channel": "middle"}), 422, "bad_parameter")


def test_what_is_to_be_said_of_a_recording_comes_with_its_answer(client, wav):
    content = wav(np.stack([tone(2), -tone(2)], axis=1))[:-8_000]
    response = send(client, content)
    assert response.status_code == 200
    remarks = response.json()["recording"]["remarks"]
    assert [remark["remark"] for remark in remarks] == ["partial", "opposite_polarity"]
    assert all(remark["explanation"] and remark["detail"] for remark in remarks)


def test_a_long_recording_has_a_timeline_by_the_hop_asked_for(client, wav):
    content = wav(np.concatenate([tone(5), tone(5, 0.1)]))
    timeline = send(client, content, params={"hop_seconds": 0.5}).json()["timeline"]
    assert timeline["hop_seconds"] == 0.5
    assert [segment["answer"] for segment in timeline["segments"]][:: len(timeline["segments"]) - 1] == [
        "angry",
        "happy",
    ]
    assert send(client, content, params={"timeline": False}).json()["timeline"] is None


def test_unknown_is_an_answer_with_a_reason_in_words(serve, recognizer, wav):
    client = serve(recognizer)
    for samples, reason in ((tone(0.1), "too_short"), (0 * tone(1), "silent"), (tone(2), "no_voice")):
        response = send(client, wav(samples))
        assert response.status_code == 200
        assert (response.json()["answer"], response.json()["reason"]) == ("unknown", reason)
        assert response.json()["explanation"]


def test_the_least_confidence_can_be_asked_for(client, wav):
    quiet = wav(tone(2, 0.02))
    assert send(client, quiet).json()["reason"] == "unsure"
    assert send(client, quiet, params={"min_confidence": 0}).json()["answer"] == "angry"


def test_a_picture_is_drawn_on_request(client, wav):
    picture = send(client, wav(tone(2)), params={"picture": True}).json()["picture"]
    assert picture["columns"] == len(picture["low"]) == len(picture["high"])
    assert max(picture["high"]) == pytest.approx(500, abs=2)


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"RIFF", b"not sound", bytes(1000)])
def test_what_is_no_sound_file_is_a_problem(client, content):
    assert_problem(send(client, content), 422, "undecodable")


def test_impossible_parameters_are_problems(client, wav):
    for params in ({"hop_seconds": 0}, {"hop_seconds": "x"}, {"min_confidence": 2}, {"timeline": "perhaps"}):
        problem = assert_problem(send(client, wav(tone(1)), params=params), 422, "bad_parameter")
        assert next(iter(params)) in problem["detail"]


def test_requests_that_are_no_such_form_are_problems(client, wav):
    post = client.post
    assert_problem(post("/v1/recognitions", content=wav(tone(1))), 415, "not_a_form")
    assert_problem(post("/v1/recognitions", json={}), 415, "not_a_form")
    form = {"content-type": "multipart/form-data"}
    assert_problem(post("/v1/recognitions", content=b"x", headers=form), 400, "bad_upload")
    form = {"content-type": "multipart/form-data; boundary=b"}
    for body in (b"", b"x", b"--b\r\n", b"--b\r\n\r\nx\r\n--b--\r\n", b"--c\r\n\r\n--c--"):
        assert_problem(post("/v1/recognitions", content=body, headers=form), 400, "bad_upload")
    other = post("/v1/recognitions", files={"sound": ("a.wav", wav(tone(1)))})
    assert "'sound'" in assert_problem(other, 400, "bad_upload")["detail"]
    two = post("/v1/recognitions", files=[("file", wav(tone(1))), ("file", wav(tone(1)))])
    assert_problem(two, 400, "bad_upload")


def test_other_paths_and_methods_are_problems_too(client):
    assert_problem(client.get("/nowhere"), 404, "not_found")
    response = client.get("/v1/recognitions")
    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


def test_a_failing_model_is_a_problem_and_the_server_goes_on(client, model, wav):
    def fail():
        raise RuntimeError("out of order")

    model.interrupt = fail
    problem = assert_problem(send(client, wav(tone(1))), 500, "internal")
    assert "out of order" not in str(problem), "what went wrong inside is not the client's to know"
    model.interrupt = lambda: None
    assert send(client, wav(tone(1))).status_code == 200


def test_a_failure_carries_all_headers_is_counted_and_logged_once(client, model, wav, caplog):
    def fail():
        raise RuntimeError("out of order")

    model.interrupt = fail
    response = send(client, wav(tone(1)))
    assert_problem(response, 500, "internal")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    counted = 'deepemo_requests_total{method="POST",route="/v1/recognitions",status="500"} 1.0'
    assert counted in client.get("/metrics").text
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "POST /v1/recognitions failed"
    ]


@pytest.mark.parametrize(
    "path",
    ["/page/%00", "/page/" + "x" * 5000, "/page/..%2f..%2fapp.py", "/page/%2e%2e/app.py", "/%ff", "/page/%ff.js"],
)
def test_paths_that_no_file_system_takes_are_not_found(client, path):
    assert_problem(client.get(path), 404, "not_found")


def test_headers_and_parameters_of_any_bytes_are_no_failures(client, wav):
    for name in (b"host", b"content-type", b"authorization", b"origin", b"range", b"accept", b"content-length"):
        for value in (b"\xff\xfe", b"multipart/form-data; boundary=\xff", b"[::1", b"bytes=9-1,,-", b"a" * 8000, b""):
            for method, path in (("POST", "/v1/recognitions"), ("GET", "/"), ("GET", "/page/app.js")):
                response = client.request(method, path, headers={name: value})
                assert response.status_code < 500, (name, value, method, path)
    for params in ({"hop_seconds": "1e308"}, {"hop_seconds": "nan"}, {"min_confidence": "inf"}, {"channel": "\0"}):
        problem = assert_problem(send(client, wav(tone(1)), params=params), 422, "bad_parameter")
        assert next(iter(params)) in problem["detail"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_batching_thread_is_told_to_all_who_ask(client, model, wav):
    def die():
        raise SystemExit("the thread ends")

    model.interrupt = die
    assert client.get("/healthz").status_code == 200
    assert_problem(send(client, wav(tone(1))), 500, "internal")
    assert_problem(client.get("/healthz"), 503, "unhealthy")
    model.interrupt = lambda: None
    assert_problem(send(client, wav(tone(1))), 500, "internal")


def test_work_that_takes_too_long_is_ended(serve, model, wav):
    client = serve(work_seconds=0.3)
    model.interrupt = lambda: time.sleep(0.2)
    long = wav(np.tile(tone(5), 20))
    assert_problem(send(client, long, params={"hop_seconds": 0.25}), 503, "too_much_work")
    assert len(model.batches) < 4
    assert send(client, wav(tone(1))).status_code == 200


def test_a_recording_costs_its_frames_times_its_channels(serve, wav):
    client = serve(max_seconds=2)
    assert send(client, wav(np.zeros((2 * 8000, 2)), 8000)).status_code == 200
    many = wav(np.zeros((8000, 33)), 8000)
    assert "33 channels, expected at most 32" in assert_problem(send(client, many), 422, "undecodable")["detail"]
    wide = wav(np.zeros((48_000, 8)), 48_000)
    assert "8 channels of more than 192000" in assert_problem(send(client, wide), 413, "too_long")["detail"]


def test_limits_of_size_and_duration(serve, wav):
    client = serve(max_upload_bytes=50_000, max_seconds=1)
    assert_problem(send(client, wav(tone(10))), 413, "too_large")
    assert_problem(send(client, wav(tone(1.5))), 413, "too_long")
    assert send(client, wav(tone(1))).status_code == 200


def test_the_limit_of_size_holds_to_the_byte(serve, wav):
    content = wav(tone(1))
    assert send(serve(max_upload_bytes=len(content)), content).status_code == 200
    assert_problem(send(serve(max_upload_bytes=len(content) - 1), content), 413, "too_large")


@pytest.mark.slow
def test_what_lies_around_the_part_counts_too(serve):
    """A form may begin and end with any bytes; they are not content of a part."""
    client = serve(max_upload_bytes=1000)
    part = b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = client.post("/v1/recognitions", content=iter([part, bytes(40_000)]), headers=headers)
    assert_problem(response, 413, "too_large")


def test_an_upload_without_length_is_cut_off_while_it_arrives(serve):
    client = serve(max_upload_bytes=50_000)
    sent = 0

    def endless():
        nonlocal sent
        yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        while sent < 10_000_000:
            sent += 10_000
            yield bytes(10_000)

    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert_problem(client.post("/v1/recognitions", content=endless(), headers=headers), 413, "too_large")
    # The test client passes the whole body, but the server must not keep it.
    assert "deepemo_held_bytes 0.0" in client.get("/metrics").text


def test_the_key_is_asked_for_where_there_is_one(serve, wav):
    client = serve(api_key="sésame")
    for headers in ({}, {"authorization": "Bearer x"}, {"authorization": "Basic sésame".encode()}):
        response = send(client, wav(tone(1)), headers=headers)
        assert_problem(response, 401, "no_key")
        assert response.headers["www-authenticate"].startswith("Bearer")
    assert_problem(client.get("/v1/model"), 401, "no_key")
    assert_problem(client.get("/metrics"), 401, "no_key")
    for path in ("/healthz", "/readyz", "/", "/page/app.js"):
        assert client.get(path).status_code == 200
    key = {"authorization": b"Bearer s\xc3\xa9same"}
    assert client.get("/v1/model", headers=key).status_code == 200


def test_a_full_server_turns_away_and_says_when_to_come_back(serve, wav):
    client = serve(at_once=1, waiting=1)
    with client.app.state.admission.slot(), client.app.state.admission.slot():
        response = send(client, wav(tone(1)))
        assert_problem(response, 503, "busy")
        assert int(response.headers["retry-after"]) >= 1
        assert_problem(client.get("/readyz"), 503, "busy")
        assert client.get("/healthz").status_code == 200
    assert send(client, wav(tone(1))).status_code == 200


def test_uploads_share_a_budget_of_memory(serve, wav):
    client = serve(held_bytes=20_000)
    assert_problem(send(client, wav(tone(1))), 503, "busy")
    assert send(client, wav(tone(0.5))).status_code == 200
    assert "deepemo_held_bytes 0.0" in client.get("/metrics").text


@pytest.mark.slow
def test_many_at_once_go_through_the_model_together(serve, model, wav):
    client = serve(at_once=8, waiting=32)
    model.interrupt = lambda: time.sleep(0.05)
    content = wav(tone(1))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: send(client, content).json()["answer"], range(32)))
    assert answers == ["angry"] * 32
    assert sum(model.batches) == 32
    assert max(model.batches) > 1, "windows of several clients must share a batch"


def test_other_requests_are_answered_while_the_model_works(client, model, wav):
    release = threading.Event()
    began = threading.Event()

    def pause():
        began.set()
        release.wait(10)

    model.interrupt = pause
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(send, client, wav(tone(1)))
        assert began.wait(10)
        assert client.get("/healthz").status_code == 200
        assert not waiting.done()
        release.set()
        assert waiting.result().status_code == 200


def test_the_model_says_where_it_comes_from(client, about):
    described = client.get("/v1/model").json()
    assert described["revision"] == about["revision"]
    assert described["accepts"]["max_seconds"] == 300
    for said in ("figures", "expectation", "origin", "calibration", "calibrations"):
        assert described[said] == about[said]
    assert described["has_card"] is True
    card = client.get("/v1/model/card")
    assert card.headers["content-type"].startswith("text/markdown")


def test_a_model_without_a_card_says_so(serve):
    client = serve(card=None)
    assert client.get("/v1/model").json()["has_card"] is False
    assert_problem(client.get("/v1/model/card"), 404, "no_card")


def test_counters_for_prometheus(client, wav):
    send(client, wav(tone(1)))
    send(client, b"x")
    client.get("/nowhere/at/all")
    text = client.get("/metrics").text
    assert 'deepemo_recognitions_total{answer="angry",reason=""} 1.0' in text
    assert 'deepemo_recognitions_total{answer="unknown",reason="undecodable"} 1.0' in text
    assert re.search(r'deepemo_requests_total\{method="POST",route="/v1/recognitions",status="200"\} 1.0', text)
    assert 'route="none",status="404"' in text
    assert "nowhere" not in text, "addresses that people make up must not become labels"
    assert "deepemo_in_flight 0.0" in text


def test_browsers_are_told_to_load_nothing_from_elsewhere(client):
    for path in ("/", "/v1/model", "/nowhere", "/page/app.js"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


CROSS_SITE = (
    {"origin": "https://elsewhere.example"},
    {"origin": "null"},
    {"origin": "http://testserver.elsewhere.example"},
    {"sec-fetch-site": "cross-site"},
    {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
)


@pytest.mark.parametrize("headers", CROSS_SITE)
def test_pages_of_other_sites_may_not_use_the_server(client, wav, headers):
    response = send(client, wav(tone(1)), headers=headers)
    assert_problem(response, 403, "cross_site")
    assert "access-control-allow-origin" not in response.headers
    assert response.headers["connection"] == "close" or not response.request.content
    assert_problem(client.get("/v1/model", headers=headers), 403, "cross_site")
    preflight = client.options("/v1/recognitions", headers={**headers, "access-control-request-method": "POST"})
    assert_problem(preflight, 403, "cross_site")


def test_its_own_page_links_and_programs_may(client, wav):
    proxied = {"origin": "https://voice.example", "sec-fetch-site": "same-origin"}
    own = ({}, {"origin": "http://testserver"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, proxied)
    for headers in own:
        assert send(client, wav(tone(1)), headers=headers).status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    for path in ("/", "/v1/model/card", "/page/app.js"):
        assert client.get(path, headers=link).status_code == 200


def test_a_site_that_is_allowed_may_use_the_server_and_read_its_answers(serve, wav):
    client = serve(origins=("https://friend.example",))
    friend = {"origin": "https://friend.example", "sec-fetch-site": "cross-site"}
    response = send(client, wav(tone(1)), headers=friend)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "https://friend.example"
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    assert client.options("/v1/recognitions", headers={**friend, **asked}).status_code == 200
    assert_problem(send(client, wav(tone(1)), headers={"origin": "https://foe.example"}), 403, "cross_site")


def test_a_name_that_others_point_here_is_refused(serve):
    client = serve(hosts=("localhost", "[::1]"))
    for host, status in (("localhost:8000", 200), ("LOCALHOST", 200), ("[::1]:8000", 200), ("evil.example", 421)):
        assert client.get("/healthz", headers={"host": host}).status_code == status


def test_after_shutdown_requests_are_refused(serve, wav):
    client = serve()
    client.__exit__(None, None, None)
    assert_problem(send(client, wav(tone(1))), 503, "not_ready")
    client.__enter__()


def test_every_reason_that_can_be_answered_is_one_of_the_problems(client):
    documented = client.get("/openapi.json").json()["paths"]["/v1/recognitions"]["post"]["responses"]
    assert {int(status) for status in documented} >= {
        int(PROBLEMS[reason][0])
        for reason in ("undecodable", "too_long", "too_large", "too_slow", "bad_upload", "not_a_form", "busy", "no_key")
    }


def test_a_model_of_three_emotions_is_described_with_these_alone(serve):
    three = ("angry", "happy", "sad")
    any_sound = VoiceDecision(voice_threshold=0.0, min_voice_share=0.0, min_voice_seconds=0.0)
    client = serve(Recognizer(LoudnessModel(three), gate=any_sound, limits=LIMITS))
    content = client.post("/v1/recognitions", files={"file": ("a.wav", to_wav(tone(2)))}).json()
    assert tuple(content["probabilities"]) == three
    described = client.get("/openapi.json").json()
    assert "Which of three emotions" in described["info"]["description"]
    schemas = described["components"]["schemas"]
    for name in ("RecognitionResponse", "Span"):
        fields = schemas[name]["properties"]
        assert fields["answer"]["enum"] == [*three, "unknown"]
        assert f'"required": {json.dumps(list(three))}' in json.dumps(fields["probabilities"])
    assert not {"disgust", "fear", "neutral", "surprise"} & set(re.findall(r"\w+", json.dumps(described)))
    (example,) = schemas["RecognitionResponse"]["examples"]
    assert set(content) == set(example)
    assert (example["answer"], example["confidence"]) == ("happy", example["probabilities"]["happy"])
    assert sum(example["probabilities"].values()) == pytest.approx(1, abs=2e-3)


def test_a_model_of_the_seven_is_described_with_the_seven(client):
    described = client.get("/openapi.json").json()
    assert "Which of seven emotions" in described["info"]["description"]
    answer = described["components"]["schemas"]["RecognitionResponse"]["properties"]["answer"]
    assert answer["enum"] == [*EMOTIONS, "unknown"]
