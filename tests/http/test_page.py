"""The page in a real browser. Debian's chromium is enough: `apt-get install chromium`."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from deepemo.charts.colours import COLOURS
from deepemo.emotions import EMOTIONS
from deepemo.http.app import PAGE
from deepemo.params import VoiceDecision
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.voice import VoiceReference
from tests.fixtures.serving import ABOUT, LIMITS, RATE_HZ, LoudnessModel, tone
from tests.fixtures.voices import DIGEST, VOICE_RECORD

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ANSWER_MS = 30_000


@pytest.fixture(scope="module")
def microphone(tmp_path_factory, speech, wav) -> Path:
    """The sound that the browser uses as its microphone, in a loop."""
    path = tmp_path_factory.mktemp("microphone") / "voice.wav"
    path.write_bytes(wav(np.tile(speech, 3)))
    return path


@pytest.fixture(scope="module")
def browser(microphone):
    if CHROMIUM is None:
        pytest.skip("no chromium is installed; `apt-get install chromium` brings one")
    arguments = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    ]
    with sync_playwright() as playwright:
        expect.set_options(timeout=ANSWER_MS)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, live):
    """Opens the page. At the end, it must have no errors and no requests to other hosts."""
    pages, troubles, addresses = [], [], []

    def start(**options) -> Page:
        page = browser.new_page(**options)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: addresses.append(request.url))
        page.goto(live)
        pages.append(page)
        return page

    yield start
    for page in pages:
        page.close()
    assert troubles == []
    assert all(address.startswith((live, "blob:")) for address in addresses)


def upload(page, path):
    page.set_input_files("#file", path)
    page.wait_for_selector("body.answered:not(.listening)", timeout=ANSWER_MS)


def test_an_uploaded_recording_is_answered(open_page, speech, wav, tmp_path):
    (tmp_path / "voice.wav").write_bytes(wav(speech))
    page = open_page()
    upload(page, tmp_path / "voice.wav")
    expect(page.locator("#answer")).to_have_text("happy")
    expect(page.locator("#sure")).to_have_text("88% sure")
    expect(page.locator("#threshold")).to_contain_text("from 60% on")
    assert page.locator("#bars .value").all_inner_texts() == ["2%", "2%", "2%", "88%", "2%", "2%", "2%"]
    expect(page.locator("#status")).to_contain_text("happy, 88% sure")
    expect(page.locator("#facts")).to_contain_text("16 kHz")
    for canvas in ("#wave", "#spectrogram"):
        assert shades(page, canvas) > 3, f"{canvas} is blank"
    assert page.evaluate("document.activeElement.id") == "answer"


@pytest.mark.corpora
@pytest.mark.parametrize("corpus", ["ravdess", "crema_d", "tess", "savee"])
def test_a_real_recording_is_heard_as_a_voice(open_page, corpora_dir, corpus):
    page = open_page()
    upload(page, sorted((corpora_dir / corpus).rglob("*.wav"))[0])
    expect(page.locator("#bars")).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("voice in")


@pytest.mark.corpora
def test_a_real_recording_of_rain_is_not(open_page, corpora_dir):
    page = open_page()
    upload(page, sorted((corpora_dir / "non_speech" / "rain").rglob("*.wav"))[0])
    expect(page.locator("#explanation")).to_contain_text("No human voice is heard")


def test_the_microphone_is_heard(open_page):
    page = open_page()
    page.click("#record")
    expect(page.locator("#record-label")).to_have_text("Stop")
    expect(page.locator("#clock")).to_have_text(re.compile("0:0[3-9]"))
    page.click("#record")
    page.wait_for_selector("body.answered:not(.listening)", timeout=ANSWER_MS)
    # The browser sets its level. This test needs only that a voice was heard.
    assert page.locator("#answer").inner_text().lower() in (*EMOTIONS, "unknown")
    expect(page.locator("#bars")).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("48 kHz")
    assert int(re.search(r"voice in (\d+)%", page.locator("#facts").inner_text())[1]) > 20


def shades(page, canvas):
    return page.locator(canvas).evaluate(
        "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    )


def stop(page):
    page.keyboard.press("r")
    page.wait_for_selector("body.answered:not(.listening):not(.recording)", timeout=ANSWER_MS)
    expect(page.locator("#scope")).to_have_text("Whole recording")
    expect(page.locator("#player")).to_be_visible()
    expect(page.locator("#spectrogram")).to_be_visible()


@pytest.mark.parametrize("width", [1100, 320])
def test_it_answers_while_somebody_speaks(open_page, width):
    page = open_page(viewport={"width": width, "height": 640})
    page.keyboard.press("r")
    expect(page.locator("#scope")).to_contain_text("voice heard")
    expect(page.locator("#bars")).to_be_visible()
    expect(page.locator("#player")).to_be_hidden()
    expect(page.locator("#record")).to_be_in_viewport(ratio=1)
    early = page.locator("#wave").bounding_box()["width"]
    expect(page.locator("#stream")).to_be_visible()
    assert page.locator("#wave").bounding_box()["width"] > early
    assert shades(page, "#wave") > 3
    assert shades(page, "#stream") > 3
    assert page.locator(".segments button").count() >= 1
    assert page.locator("#status").inner_text() in (*EMOTIONS, "unknown")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    stop(page)
    assert page.locator("#wave").bounding_box()["width"] > early


def record_without_answers(page):
    page.keyboard.press("r")
    expect(page.locator("#clock")).to_have_text(re.compile("0:0[2-9]"))
    expect(page.locator("#result")).to_be_hidden()
    stop(page)


def test_where_sockets_are_blocked_the_recording_is_sent(open_page):
    page = open_page()
    page.evaluate(
        "void (window.WebSocket = class { constructor() { throw new DOMException('blocked', 'SecurityError'); } })"
    )
    record_without_answers(page)


def test_where_no_stream_is_to_be_had_the_recording_is_sent(browser, start_live):
    page = browser.new_page()
    page.goto(start_live(streams=0))
    record_without_answers(page)
    page.close()


def test_a_stream_that_breaks_off_does_not_end_the_recording(browser, start_live):
    page = browser.new_page()
    troubles = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(start_live(max_seconds=60))
    page.evaluate(
        "void (window.WebSocket = class extends WebSocket { constructor(to) { super(to); window.socket = this; } })"
    )
    page.keyboard.press("r")
    expect(page.locator("#scope")).to_contain_text("So far")
    page.evaluate("window.socket.close()")
    expect(page.locator("#scope")).to_have_text("The answer comes when you stop")
    stop(page)
    assert troubles == []
    page.close()


def test_the_webm_of_its_recorder_is_streamed_as_documented(open_page, live):
    """The example of docs/live.md, with the recorder of a real browser."""
    page = open_page()
    page.evaluate("() => { window.told = []; console.log = (message) => told.push(message); }")
    example = re.search(r"```js\n(.*?)```", (ROOT / "docs/live.md").read_text(), re.DOTALL)[1]
    assert "ws://127.0.0.1:8000" in example
    example = example.replace("ws://127.0.0.1:8000", live.replace("http", "ws"))
    page.evaluate(f"async () => {{ {example} Object.assign(window, {{ recorder, socket }}); }}")
    wait_until(page, "told.some((message) => message.is_full)")
    page.evaluate("recorder.stop()")
    wait_until(page, "socket.readyState === WebSocket.CLOSED")
    told = page.evaluate("told")
    assert [told[0]["type"], told[1]["type"], told[-1]["type"]] == ["ready", "answer", "recognition"]
    recording = told[-1]["recording"]
    assert (recording["container"], recording["rate_hz"]) == ("matroska", 48_000)
    assert recording["seconds"] > 2.5
    assert recording["voice_share"] > 0.2


def wait_until(page, holds):
    """Wait for an expression; `wait_for_function` needs a policy that lets pages evaluate text."""
    for _ in range(ANSWER_MS // 200):
        if page.evaluate(holds):
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"{holds} does not hold after {ANSWER_MS} ms: {page.evaluate('told')}")


def test_certainty_is_not_rounded_up_to(open_page, live):
    shown = open_page().evaluate(
        f"import('{live}/page/emotions.js').then(({{ percent }}) => [0.994, 0.996, 1].map(percent))"
    )
    assert shown == ["99%", ">99%", "100%"]


def test_what_is_to_be_said_of_a_recording_stands_under_its_answer(open_page, speech, wav, tmp_path):
    (tmp_path / "cut.wav").write_bytes(wav(np.stack([speech, -speech], axis=1))[:-16_000])
    (tmp_path / "whole.wav").write_bytes(wav(speech))
    page = open_page()
    upload(page, tmp_path / "cut.wav")
    expect(page.locator("#answer")).to_have_text("happy")
    expect(page.locator("#remarks li")).to_have_count(2)
    expect(page.locator("#remarks")).to_contain_text("Only a part of the recording could be read.")
    expect(page.locator("#remarks")).to_contain_text("one of them was heard")
    expect(page.locator("#facts")).to_contain_text(re.compile(r"channel [12] heard"))
    upload(page, tmp_path / "whole.wav")
    expect(page.locator("#remarks")).to_be_hidden()


def test_a_long_recording_has_a_timeline_to_choose_from(open_page, speech, wav, tmp_path):
    pause = np.zeros(6 * RATE_HZ, np.float32)
    (tmp_path / "long.wav").write_bytes(wav(np.concatenate([speech, pause, speech])))
    page = open_page()
    upload(page, tmp_path / "long.wav")
    segments = page.locator(".segments button")
    assert [text.lower() for text in segments.all_inner_texts()] == ["happy", "no voice", "happy"]
    segments.nth(1).press("Enter")
    expect(page.locator("#answer")).to_have_text("unknown")
    expect(page.locator("#scope")).to_contain_text("to")
    segments.nth(1).press("Enter")
    expect(page.locator("#scope")).to_have_text("Whole recording")


def test_unknown_is_explained_in_words(open_page, wav, tmp_path):
    page = open_page()
    (tmp_path / "tone.wav").write_bytes(wav(tone(3)))
    upload(page, tmp_path / "tone.wav")
    expect(page.locator("#answer")).to_have_text("unknown")
    expect(page.locator("#explanation")).to_contain_text("No human voice is heard")
    expect(page.locator("#bars")).to_be_hidden()
    (tmp_path / "text.wav").write_text("not sound")
    upload(page, tmp_path / "text.wav")
    expect(page.locator("#explanation")).to_contain_text("not a sound file")


def test_it_can_be_used_by_keyboard_alone(open_page):
    page = open_page()
    order = []
    for _ in range(4):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert order == ["brand", "about-open", "record", "file"]
    page.focus("#about-open")
    page.keyboard.press("Enter")
    expect(page.locator("#about")).to_be_visible()
    expect(page.locator("#about")).to_contain_text("It knows nothing but loudness.")
    rows = page.locator("#about tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_have_text("Corpora never heard in training, like your own35%30%200")
    expect(rows.nth(0)).to_have_class("strong")
    expect(rows.nth(1)).to_contain_text("50%")
    expect(page.locator("#about")).to_contain_text("as yours are, expect 35% to be named rightly.")
    expect(page.locator("#about")).to_contain_text("It answers when it is at least 60% sure")
    expect(page.locator("#about")).to_contain_text("This threshold comes nearest to 80% right answers")
    expect(page.locator("#about")).to_contain_text("fake: a gauge of loudness; 0 parameters.")
    page.keyboard.press("Escape")
    expect(page.locator("#about")).to_be_hidden()
    page.keyboard.press("r")
    expect(page.locator("#record-label")).to_have_text("Stop")


def test_who_asks_about_the_model_too_early_is_told_when_the_server_answers(open_page):
    page = open_page()
    held = []
    page.route("**/v1/model", lambda route: held.append(route))
    with page.expect_request("**/v1/model"):
        page.reload()
    page.click("#about-open")
    expect(page.locator("#about")).to_contain_text("The server is being asked.")
    [asked] = held
    asked.continue_()
    expect(page.locator("#about")).to_contain_text("It knows nothing but loudness.")


def test_a_server_that_could_not_speak_of_its_model_is_asked_again(open_page, speech, wav, tmp_path):
    (tmp_path / "voice.wav").write_bytes(wav(speech))
    starting = {"status": 503, "json": {"reason": "not_ready", "title": "Not ready"}}
    page = open_page()
    page.route("**/v1/model", lambda route: route.fulfill(**starting))
    page.reload()
    page.click("#about-open")
    expect(page.locator("#about")).to_contain_text("The server is starting. Try again in a moment.")
    page.unroute("**/v1/model")
    page.click("#about-close")
    page.click("#about-open")
    expect(page.locator("#about")).to_contain_text("It knows nothing but loudness.")

    page.route("**/v1/model", lambda route: route.abort())
    page.reload()
    page.click("#about-open")
    expect(page.locator("#about")).to_contain_text("The server cannot be reached.")
    page.click("#about-close")
    page.unroute("**/v1/model")
    upload(page, tmp_path / "voice.wav")
    expect(page.locator("#threshold")).to_contain_text("from 60% on")


def test_a_card_that_cannot_be_had_is_said(open_page):
    page = open_page()
    page.route("**/v1/model/card", lambda route: route.abort())
    page.click("#about-open")
    page.click("text=Read the model card")
    expect(page.locator("#about")).to_contain_text("The server cannot be reached.")


def test_it_fits_a_phone(open_page, speech, wav, tmp_path):
    (tmp_path / "long.wav").write_bytes(wav(np.tile(speech, 3)))
    page = open_page(viewport={"width": 320, "height": 640})
    upload(page, tmp_path / "long.wav")
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_who_wants_no_motion_gets_none(open_page):
    page = open_page(reduced_motion="reduce")
    assert page.evaluate("document.getAnimations().length") == 0


def test_a_key_is_asked_for_and_used(browser, start_live, speech, wav, tmp_path):
    (tmp_path / "voice.wav").write_bytes(wav(speech))
    page = browser.new_page()
    page.goto(start_live(api_key="open sesame"))
    upload(page, tmp_path / "voice.wav")
    expect(page.locator("#explanation")).to_contain_text("asks for a key")
    page.fill("#key-field", "open sesame")
    page.press("#key-field", "Enter")
    expect(page.locator("#key")).to_be_hidden()
    upload(page, tmp_path / "voice.wav")
    expect(page.locator("#answer")).to_have_text("happy")
    page.keyboard.press("r")
    expect(page.locator("#scope")).to_contain_text("So far")
    page.close()


def test_the_page_names_and_paints_the_emotions_as_everything_else_does():
    script = (PAGE / "emotions.js").read_text()
    assert re.findall(r'"(\w+)"', re.search(r"EMOTIONS = \[(.*?)\]", script)[1]) == list(EMOTIONS)
    style = (PAGE / "style.css").read_text()
    light = style[: style.index("@media")]
    for emotion, colour in COLOURS.items():
        assert f"--{emotion}: {colour.lower()};" in light


def test_the_page_loads_nothing_from_elsewhere():
    for path in PAGE.iterdir():
        addresses = set(re.findall(r"https?://[^\s\"')]+", path.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path.name


@pytest.fixture
def voice_page(browser, start_live, comparing):
    """The page of a server whose model takes references of voices."""
    page = browser.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    about = {**ABOUT, "voice": VOICE_RECORD.model_dump()}
    page.goto(start_live(comparing, about, hosts=("127.0.0.1",)))
    yield page
    page.close()
    assert troubles == []


def test_recordings_of_one_voice_are_compared_with_one_another(voice_page, comparing, wav, tmp_path):
    levels = {"soft": 0.1, "middling": 0.3, "loud": 0.5, "nothing": 0.0}
    paths = [tmp_path / f"{name}.wav" for name in levels]
    for path, level in zip(paths, levels.values(), strict=True):
        path.write_bytes(wav(tone(2, level)))
    page = voice_page
    page.get_by_label("These recordings are one voice").focus()
    page.keyboard.press("Space")
    upload(page, paths)
    entries = page.locator("#recordings .one")
    expected = comparing.recognize_voice(paths)
    answers = [answer.answer for answer in expected]
    assert answers == ["sad", "angry", "angry", "unknown"]
    shown = [word.split(",")[0].lower() for word in page.locator("#recordings .word").all_inner_texts()]
    assert shown == answers
    entries.nth(0).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_have_text("sad")
    expect(page.locator("#facts")).to_contain_text("compared with 2 others of this voice")
    assert entries.nth(0).get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Start another voice").press("Enter")
    expect(entries).to_have_count(0)


def test_a_voice_that_is_known_is_compared_while_it_speaks(voice_page, wav, tmp_path):
    paths = [tmp_path / f"{level}.wav" for level in (0.1, 0.3)]
    for path in paths:
        path.write_bytes(wav(tone(2, float(path.stem))))
    page = voice_page
    page.get_by_label("These recordings are one voice").check()
    upload(page, paths)
    page.keyboard.press("r")
    expect(page.locator("#scope")).to_contain_text("compared with 2 others of this voice")
    expect(page.locator("#bars")).to_be_visible()
    stop(page)
    expect(page.locator("#facts")).to_contain_text("compared with 2 others of this voice")
    expect(page.locator("#recordings .one")).to_have_count(3)


def test_what_it_is_worth_to_know_the_voice_is_told(voice_page):
    voice_page.click("#about-open")
    expect(voice_page.locator("#about-body")).to_contain_text("When it knows the voice")
    rows = voice_page.locator("#about-body table").nth(1).locator("tbody tr").all_inner_texts()
    assert [row.split("\t")[1:] for row in rows] == [["60%", "60%"], ["80%", "80%"]]


def test_a_voice_that_is_not_known_yet_is_said(voice_page, wav, tmp_path):
    (tmp_path / "first.wav").write_bytes(wav(tone(2, 0.5)))
    (tmp_path / "second.wav").write_bytes(wav(tone(2, 0.1)))
    page = voice_page
    page.get_by_label("These recordings are one voice").check()
    upload(page, [tmp_path / "first.wav", tmp_path / "second.wav"])
    expect(page.locator("#remarks")).to_contain_text("The voice is not known yet. The reference rests on 1 recording")
    page.get_by_label("These recordings are one voice").uncheck()
    upload(page, tmp_path / "first.wav")
    expect(page.locator("#facts")).to_contain_text("answered by fake")
    expect(page.locator("#remarks")).to_be_hidden()


def test_the_page_joins_references_as_the_library_does(voice_page):
    components = np.random.default_rng(5).normal(1, 2, (9, 6)).astype(np.float32)
    parts = [VoiceReference.of(components[rows], DIGEST) for rows in (slice(0, 1), slice(1, 4), slice(4, 9))]
    joined = voice_page.evaluate(
        "async (parts) => (await import('/page/voice.js')).joined(parts)",
        [json.loads(part.to_json()) for part in parts],
    )
    read, expected = VoiceReference.from_json(json.dumps(joined)), VoiceReference.joined(parts)
    np.testing.assert_allclose(read.mean, expected.mean, rtol=1e-6)
    assert (read.recordings, read.deviation) == (9, pytest.approx(expected.deviation, abs=1e-5))


def test_a_model_without_references_shows_none_of_it(open_page):
    page = open_page()
    expect(page.locator("#about-open")).to_be_visible()
    expect(page.locator("#voice")).to_be_hidden()


@pytest.fixture
def three_page(browser, start_live):
    """The page of a server whose model tells three emotions apart."""
    three = ("angry", "happy", "sad")
    any_sound = VoiceDecision(voice_threshold=0.0, min_voice_share=0.0, min_voice_seconds=0.0)
    recognizer = Recognizer(LoudnessModel(three), gate=any_sound, limits=LIMITS)
    troubles: list[str] = []
    page = browser.new_page()
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(start_live(recognizer, {**ABOUT, "emotions": list(three)}, hosts=("127.0.0.1",)))
    yield page
    page.close()
    assert troubles == []


def test_the_page_of_a_model_of_three_emotions_shows_these_alone(three_page, wav, tmp_path):
    page = three_page
    expect(page.locator("#lead")).to_contain_text("Three emotions can be recognized")
    (tmp_path / "long.wav").write_bytes(wav(np.concatenate([tone(6), tone(6, 0.1)])))
    upload(page, tmp_path / "long.wav")
    assert page.locator("#bars .name").all_text_contents() == ["angry", "happy", "sad"]
    assert shades(page, "#stream") > 3
    assert "NaN" not in page.locator("#aura").get_attribute("style")
    page.click("#about-open")
    body = page.locator("#about-body")
    expect(body).to_contain_text("UAR is the mean of the three emotions' recalls; guessing reaches 33%")
