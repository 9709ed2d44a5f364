// The dialog about the model: figures, limits, and where it comes from.

import { howMany, percent } from "./emotions.js";

const ROLES = {
  left_out_corpora: "Corpora never heard in training, like your own",
  unseen_corpus: "A corpus that was held out",
  unseen_speakers: "Speakers never heard in training",
  seen_speakers: "Speakers heard in training, other clips",
};

export function isSyntheticOnly(model) {
  return model.corpora.length > 0 && model.corpora.every((corpus) => corpus.name === "synthetic");
}

export function fillAbout(body, model, { onCard }) {
  body.replaceChildren(
    text("p", introduction(model)),
    list(model.parts.map((part) => `${part.name}: ${plain(part.description)}`)),
    text("h3", "How often it is right"),
    ...figures(model),
    ...knownVoices(model),
    text("h3", "What it cannot do"),
    list(model.limits),
    text("h3", "Where it comes from"),
    definitions(model),
  );
  if (model.has_card) {
    const button = text("button", "Read the model card", "quiet");
    button.type = "button";
    button.addEventListener("click", () => onCard(button));
    const paragraph = document.createElement("p");
    paragraph.append(button);
    body.append(document.createElement("br"), paragraph);
  }
}

function introduction(model) {
  const { wanted_accuracy: wanted, threshold, reached } = model.calibration;
  const on = model.origin === "other" ? "clips of corpora that were left out of training" : "validation clips";
  const networks = model.parts.length > 1
    ? `A weighted mean of ${model.parts.length} networks answers.` : "One network answers.";
  const answer = wanted
    ? ` It answers when it is at least ${percent(threshold)} sure, and says “unknown” otherwise. ` +
      (reached === false ? "This threshold comes nearest to" : "This threshold was chosen for") +
      ` ${percent(wanted)} right answers on ${on}.`
    : "";
  const before = " Before that, it is checked that a human voice is heard.";
  return networks + answer + before + gate(model.gate);
}

// Removes the backticks around names in Markdown.
const plain = (markdown) => markdown.replaceAll("`", "");

// How often the gate errs, with all that the run has for it, if the pipeline measured it.
function gate({ speech, non_speech: nonSpeech, made_sounds: made }) {
  const others = nonSpeech ?? made;
  if (!speech || !others) return "";
  const share = (value) => `${(value * 100).toFixed(1)}%`;
  return ` In the run, this check misses ${share(speech.rejected)} of speech and mistakes ${share(others.accepted)} of ` +
    `${nonSpeech ? "recordings without speech" : "made-up sounds"} for a voice.`;
}

function figures(model) {
  const own = model.figures[model.model];
  if (!own) return [text("p", "There are no figures for this model: the pipeline has not evaluated it.", "small")];
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const title of ["Tested on", "Accuracy", "UAR", "Clips"]) head.append(text("th", title));
  const rows = table.createTBody();
  for (const [role, name] of Object.entries(ROLES)) {
    if (!own[role]) continue;
    const row = rows.insertRow();
    if (role === "left_out_corpora") row.className = "strong";
    for (const cell of [name, percent(own[role].accuracy), percent(own[role].uar), own[role].clips]) {
      row.append(text("td", cell));
    }
  }
  const majority = model.figures.majority?.unseen_speakers;
  const guess = majority ? ` Always naming the most frequent emotion is right ${percent(majority.accuracy)} of the time.` : "";
  const note = `UAR is the mean of the ${howMany(model.emotions).toLowerCase()} emotions' recalls; ` +
    `guessing reaches ${percent(1 / model.emotions.length)}.${guess}`;
  if (isSyntheticOnly(model)) {
    const warning = "These figures are on synthetic speech. They say nothing about human voices.";
    return [text("p", warning, "notice"), table, text("p", model.expectation), text("p", note, "small")];
  }
  return [table, text("p", model.expectation), text("p", note, "small")];
}

// How often it is right when it knows the voice, by the number of other recordings of the voice.
function knownVoices({ voice }) {
  const roles = Object.entries(ROLES).filter(([role]) => voice?.figures[role]);
  if (roles.length === 0) return [];
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const title of ["Other recordings of the voice", "Accuracy", "UAR"]) head.append(text("th", title));
  const rows = table.createTBody();
  for (const [role, name] of roles) {
    for (const [count, { accuracy, uar }] of Object.entries(voice.figures[role])) {
      const row = rows.insertRow();
      for (const cell of [`${count === "0" ? "None" : count === "all" ? "All" : count} (${name.toLowerCase()})`, percent(accuracy), percent(uar)]) row.append(text("td", cell));
    }
  }
  return [text("h3", "When it knows the voice"), table];
}

function definitions(model) {
  const entries = [
    ["Learned from", model.corpora.map((corpus) => `${corpus.title} (${corpus.licence})`).join("; ") || "not recorded"],
    ["Networks", model.parts.map((part) => `${part.name}, ${Number(part.parameters).toLocaleString("en")} parameters`).join("; ")],
    ["Hears", `${model.features.clip_seconds} s at a time, at ${model.features.sample_rate_hz / 1000} kHz`],
    ["Revision", model.revision ?? "not recorded"],
    ["Version", model.version ?? "not recorded"],
    ["Accepts", `up to ${model.accepts.max_seconds} s and ${Math.round(model.accepts.max_upload_bytes / 2 ** 20)} MiB`],
  ];
  const terms = document.createElement("dl");
  for (const [term, definition] of entries) terms.append(text("dt", term), text("dd", definition));
  const interfaces = text("dd", "");
  const link = text("a", "its description (OpenAPI)");
  link.href = "openapi.json";
  interfaces.append("POST v1/recognitions; ", link);
  terms.append(text("dt", "For programs"), interfaces);
  return terms;
}

function list(items) {
  const found = document.createElement("ul");
  found.append(...items.map((item) => text("li", item)));
  return found;
}

export function text(tag, content, className = "") {
  const element = document.createElement(tag);
  element.textContent = content;
  if (className) element.className = className;
  return element;
}
