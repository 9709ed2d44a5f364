// The page: takes a recording from the microphone or a file, sends it, and shows the answer.

import { fillAbout, isSyntheticOnly, text } from "./about.js";
import { describe, readCard, recognize, Refusal, setKey } from "./client.js";
import { clock, howMany, percent } from "./emotions.js";
import { Growing } from "./growing.js";
import { Live } from "./live.js";
import { Recorder } from "./recorder.js";
import { Result } from "./result.js";
import { Voice } from "./voice.js";

const byId = (id) => document.getElementById(id);
const result = new Result();
const voice = new Voice();
const page = document.body.classList;
let model = null;
let asking = null;
let recorder = null;
let busy = false;

const TROUBLE = {
  no_key: "This server asks for a key, and none or a wrong one was given.",
  busy: "The server has too much to do. Try again in a moment.",
  not_ready: "The server is starting. Try again in a moment.",
  too_large: "The file is larger than this server accepts.",
  too_long: "The recording is longer than this server accepts.",
  undecodable: "This is not a sound file that can be read.",
};

// Asks the server about its model, unless it has said so or is being asked, and shows what it says.
function learnModel() {
  if (!model) asking ??= askAboutModel();
  return asking;
}

async function askAboutModel() {
  let trouble = null;
  try {
    model = await describe();
    byId("synthetic").hidden = !isSyntheticOnly(model);
    byId("known").textContent = `${howMany(model.emotions)} emotions`;
    byId("voice").hidden = !model.accepts.voice_recordings;
  } catch (error) {
    trouble = explain(error);
  }
  byId("key").hidden = trouble?.reason !== "no_key";
  asking = null;
  showModel(trouble?.words);
}

// What went wrong with a request: the server's reason, and words for it.
function explain(error) {
  if (!(error instanceof Refusal)) return { reason: "unreachable", words: "The server cannot be reached." };
  return { reason: error.reason, words: TROUBLE[error.reason] ?? error.title };
}

// The threshold of the model that answers; `use` says whether a reference of the voice is used.
function thresholdOf(use) {
  return (use?.used ? model?.voice.calibration.threshold : model?.calibration.threshold) ?? 0;
}

async function answer(recordings) {
  if (!byId("one-voice").checked) {
    const recording = recordings.at(-1);
    return { recording, recognition: await recognize(recording) };
  }
  for (const recording of recordings) {
    await voice.add(recording, recording.name || `Recording ${voice.recordings.length + 1}`);
  }
  await voice.answer();
  return voice.recordings.at(-1);
}

// Lists the recordings of one voice so far with their answers; choosing one shows it.
function showVoice(shown) {
  byId("recordings").replaceChildren(...voice.recordings.map((one) => {
    const { recognition } = one;
    const word = recognition?.confidence && !recognition.reason
      ? `${recognition.answer}, ${percent(recognition.confidence)}` : recognition?.answer ?? "";
    const button = text("button", "", "one");
    button.type = "button";
    button.append(text("span", one.name, "name"), text("span", word, "word"));
    button.style.setProperty("--colour", `var(--${recognition?.answer ?? "unknown"})`);
    button.setAttribute("aria-pressed", String(one === shown));
    button.addEventListener("click", () => {
      if (!recognition || busy || recorder) return;
      showVoice(one);
      result.show(recognition, one.recording, thresholdOf(recognition.voice));
    });
    const item = document.createElement("li");
    item.append(button);
    return item;
  }));
  byId("forget").hidden = voice.recordings.length === 0;
}

// One request at a time, and none while it records, so that the answer shown is always that of the last recording.
async function recognizeAndShow(recordings) {
  if (busy || recorder || recordings.length === 0) return;
  busy = true;
  page.add("listening");
  byId("record-label").textContent = "Listening";
  announce("Listening");
  try {
    const answered = await answer(recordings);
    await learnModel();
    const { recognition, recording } = answered;
    showVoice(answered);
    result.show(recognition, recording, thresholdOf(recognition.voice));
    announce(recognition.reason
      ? `Unknown. ${recognition.explanation}` : `${recognition.answer}, ${percent(recognition.confidence)} sure`);
  } catch (error) {
    const { reason, words } = explain(error);
    if (reason === "no_key") byId("key").hidden = false;
    result.refuse(reason, words);
    announce(words);
  } finally {
    busy = false;
    page.remove("listening");
    page.add("answered");
    byId("title").textContent = "Another one?";
    byId("record-label").textContent = "Record";
  }
}

async function toggleRecording() {
  if (busy) return;
  if (recorder) {
    recorder.stop?.();
    return;
  }
  const live = startLive();
  recorder = new Recorder({
    maxSeconds: model?.accepts.max_seconds ?? 60,
    onLevel: showLevel,
    onSource: (source) => live.follow(source),
  });
  let recording = null;
  try {
    page.add("recording");
    byId("record-label").textContent = "Stop";
    announce("Recording");
    recording = await recorder.record();
  } catch (error) {
    const words = error.name === "NotAllowedError"
      ? "The browser was not allowed to use the microphone. You can still choose a file."
      : "No microphone can be used here. You can still choose a file.";
    result.refuse("microphone", words);
    page.add("answered");
    announce(words);
  } finally {
    live.end();
    recorder = null;
    page.remove("recording");
    byId("clock").textContent = "";
    byId("record-label").textContent = "Record";
    byId("record").style.setProperty("--level", 0);
  }
  if (recording) await recognizeAndShow([recording]);
}

// Shows the server's answers while somebody speaks, if a stream is possible.
function startLive() {
  let growing = null;
  return new Live({
    voice: byId("one-voice").checked ? voice.reference() : null,
    onReady: (ready) => {
      growing = new Growing(result, thresholdOf(ready.voice), ready.voice);
      page.add("answered");
    },
    onSound: (samples, rate) => growing.hear(samples, rate),
    onAnswer: (answer) => growing.answer(answer),
    onFail: () => growing?.stall(),
  });
}

function showLevel(level, seconds) {
  byId("record").style.setProperty("--level", level.toFixed(3));
  byId("clock").textContent = clock(seconds);
}

function announce(words) {
  byId("status").textContent = words;
}

// Fills the dialog about the model: with what is known of it, or else with words why nothing is.
function showModel(words = "The server is being asked.") {
  if (model) {
    fillAbout(byId("about-body"), model, { onCard: showCard });
  } else {
    byId("about-body").replaceChildren(text("p", words));
  }
}

async function showCard(button) {
  try {
    button.replaceWith(text("pre", await readCard()));
  } catch (error) {
    button.replaceWith(text("span", explain(error).words));
  }
}

function openAbout() {
  learnModel();
  showModel();
  byId("about").showModal();
}

byId("record").addEventListener("click", toggleRecording);
byId("about-open").addEventListener("click", openAbout);
byId("about-close").addEventListener("click", () => byId("about").close());
byId("about").addEventListener("click", (event) => event.target === byId("about") && byId("about").close());
byId("key").addEventListener("submit", (event) => {
  event.preventDefault();
  setKey(byId("key-field").value);
  learnModel();
});

byId("file").addEventListener("change", (event) => {
  const files = [...event.target.files];
  event.target.value = "";
  recognizeAndShow(files);
});

byId("one-voice").addEventListener("change", (event) => {
  byId("file").multiple = event.target.checked;
  byId("choose").textContent = event.target.checked ? "Choose files" : "Choose a file";
  page.toggle("one-voice", event.target.checked);
  voice.forget();
  showVoice(null);
});
byId("forget").addEventListener("click", () => {
  voice.forget();
  showVoice(null);
  announce("The recordings of this voice are forgotten");
  byId("one-voice").focus();
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (event.key.toLowerCase() !== "r" || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing && !["range", "file", "checkbox"].includes(typing.type)) return;
  if (!byId("about").open) toggleRecording();
});

// Moving from one element of the page to another also fires dragleave, so entries are counted.
let entered = 0;
const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragenter", (event) => {
  if (!carriesFile(event)) return;
  entered += 1;
  page.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!carriesFile(event)) return;
  entered -= 1;
  if (entered <= 0) page.remove("dropping");
});
document.addEventListener("dragover", (event) => carriesFile(event) && event.preventDefault());
document.addEventListener("drop", (event) => {
  if (!carriesFile(event)) return;
  event.preventDefault();
  entered = 0;
  page.remove("dropping");
  recognizeAndShow([...event.dataTransfer.files]);
});

learnModel();
