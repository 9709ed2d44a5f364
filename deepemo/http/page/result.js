// One answer on the page: the word, the bars, the pictures, the timeline, and the player.

import { text } from "./about.js";
import { drawSpectrogram, drawStream, drawWave } from "./drawing.js";
import { among, clock, colour, EMOTIONS, percent, ranked, seconds } from "./emotions.js";

const byId = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");

const ADVICE = {
  too_short: "Say a whole sentence; two or three seconds are enough.",
  silent: "Check that the microphone is on and not muted.",
  no_voice: "Music, noise and animals are not judged. Speak closer to the microphone, or choose another recording.",
  undecodable: "WAV, FLAC, OGG, MP3, AIFF, M4A and WebM are read. The file may be damaged or something else.",
  too_long: "Cut it into shorter pieces, or use the command deepemo predict, which reads up to an hour.",
  too_large: "Compress it (FLAC, Opus, MP3), or cut it into shorter pieces.",
};

export class Result {
  constructor() {
    this.audio = new Audio();
    this.shown = null;
    this.makeBars(EMOTIONS);
    byId("play").addEventListener("click", () => (this.audio.paused ? this.audio.play() : this.audio.pause()));
    byId("position").addEventListener("input", (event) => this.seek(Number(event.target.value)));
    byId("plots").addEventListener("click", (event) => this.seekByPointer(event));
    for (const name of ["play", "pause", "ended"]) this.audio.addEventListener(name, () => this.follow());
    this.audio.addEventListener("error", () => { byId("player").hidden = true; });
    new ResizeObserver(() => this.draw()).observe(byId("plots"));
    dark.addEventListener("change", () => this.draw());
  }

  // Keeps bars that are of these emotions already, so that they grow and shrink from one answer to the next.
  makeBars(emotions) {
    const found = [...byId("bars").children].map((row) => row.dataset.emotion);
    if (String(found) !== String(emotions)) byId("bars").replaceChildren(...emotions.map((emotion) => this.bar(emotion)));
  }

  bar(emotion) {
    const row = document.createElement("li");
    row.dataset.emotion = emotion;
    row.style.setProperty("--colour", `var(--${emotion})`);
    const track = text("span", "", "track");
    track.append(text("span", "", "fill"), text("span", "", "mark"));
    row.append(text("span", emotion, "name"), track, text("span", "", "value"));
    return row;
  }

  // recognition: response of the API; threshold: probability from which an emotion is answered.
  show(recognition, recording, threshold) {
    this.threshold = threshold;
    this.shown = recognition;
    byId("result").hidden = false;
    this.say(recognition, "Whole recording");
    this.prepare(recording, recognition.picture);
    this.showSegments(recognition.timeline);
    this.showFacts(recognition);
    this.draw();
    byId("answer").focus({ preventScroll: true });
  }

  // Makes room for an answer that grows while somebody speaks.
  listen(threshold) {
    this.threshold = threshold;
    this.shown = null;
    this.audio.pause();
    byId("result").hidden = false;
    byId("picture").hidden = false;
    byId("picture").classList.add("growing");
    byId("plots").inert = true;
    this.showSegments(null);
    this.say({ answer: "listening", reason: "listening", explanation: "", probabilities: null }, "");
    byId("facts").textContent = "";
    byId("remarks").hidden = true;
  }

  // Shows a refusal of the server in place of an answer.
  refuse(reason, words) {
    this.shown = null;
    byId("result").hidden = false;
    byId("picture").hidden = true;
    this.settle();
    this.say({ answer: "unknown", reason, explanation: words, confidence: null, probabilities: null }, "");
    byId("facts").textContent = "";
    byId("remarks").hidden = true;
    byId("answer").focus({ preventScroll: true });
  }

  say(said, scope) {
    const { answer, reason, probabilities } = said;
    byId("scope").textContent = scope;
    byId("answer").textContent = answer;
    byId("sure").textContent = reason ? "" : `${percent(said.confidence)} sure`;
    byId("explanation").textContent = this.explain(said);
    byId("aura").style.setProperty("--aura", aura(probabilities));
    byId("bars").hidden = !probabilities;
    document.querySelector(".verdict").classList.toggle("wordless", !probabilities);
    byId("threshold").textContent = probabilities && this.threshold > 1 / among(probabilities).length
      ? `An emotion is answered from ${percent(this.threshold)} on, the thin line.` : "";
    if (!probabilities) return;
    this.makeBars(among(probabilities));
    const [first] = ranked(probabilities);
    for (const row of byId("bars").children) {
      const share = probabilities[row.dataset.emotion];
      row.style.setProperty("--share", share);
      row.style.setProperty("--threshold", this.threshold);
      row.classList.toggle("first", row.dataset.emotion === first && !reason);
      row.querySelector(".value").textContent = percent(share);
    }
  }

  explain({ reason, explanation, probabilities }) {
    if (!reason) return "";
    if (reason === "unsure") {
      const [first, second] = ranked(probabilities);
      return `A voice is heard, but no emotion stands out. Closest are ${first} (${percent(probabilities[first])}) and ` +
        `${second} (${percent(probabilities[second])}).`;
    }
    return [explanation ?? "No voice is heard here.", ADVICE[reason]].filter(Boolean).join(" ");
  }

  // Nothing grows any more.
  settle() {
    byId("picture").classList.remove("growing");
    byId("plots").inert = false;
  }

  prepare(recording, picture) {
    this.settle();
    byId("picture").hidden = !picture;
    byId("player").hidden = false;
    URL.revokeObjectURL(this.audio.src);
    this.audio.src = URL.createObjectURL(recording);
    if (!picture) return;
    byId("position").max = picture.seconds;
    byId("axis").replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((part) => text("span", seconds(part * picture.seconds))));
    this.place(0);
    byId("playhead").classList.remove("shown");
  }

  showSegments(timeline) {
    const strip = byId("segments");
    for (const id of ["segments", "stream", "stream-caption"]) byId(id).hidden = !timeline;
    strip.replaceChildren();
    if (!timeline) return;
    for (const segment of timeline.segments) {
      const length = segment.end_seconds - segment.start_seconds;
      const button = document.createElement("button");
      button.type = "button";
      button.style.setProperty("--seconds", length);
      button.style.setProperty("--colour", `var(--${segment.answer})`);
      button.classList.toggle("hush", segment.reason === "no_voice");
      const word = segment.reason === "no_voice" ? "no voice" : segment.answer;
      const span = `${seconds(segment.start_seconds)} to ${seconds(segment.end_seconds)}`;
      button.append(text("span", word));
      button.title = `${word}, ${span}`;
      button.setAttribute("aria-label", `${word}, ${span}`);
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => this.choose(button, segment, span));
      strip.append(button);
    }
  }

  // Shows the bars of a segment; choosing it again shows those of the whole recording.
  choose(button, segment, span) {
    const chosen = button.getAttribute("aria-pressed") !== "true";
    for (const other of byId("segments").children) other.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", String(chosen));
    if (chosen) {
      this.say({ ...segment, explanation: null }, span);
      this.seek(segment.start_seconds);
    } else {
      this.say(this.shown, "Whole recording");
    }
  }

  showFacts({ recording, model, voice }) {
    const facts = [seconds(recording.seconds), `${recording.rate_hz / 1000} kHz`];
    if (recording.channels > 1) facts.push(`${recording.channels} channels`);
    if (recording.channel !== null && recording.channels > 1) facts.push(`channel ${recording.channel} heard`);
    if (recording.voice_share !== null) facts.push(`voice in ${percent(recording.voice_share)} of it`);
    facts.push(voice?.used ? `compared with ${voice.recordings} others of this voice` : `answered by ${model}`);
    byId("facts").textContent = facts.join(" · ");
    byId("remarks").replaceChildren(
      ...recording.remarks.map(({ explanation, detail }) => {
        const line = text("li", explanation);
        line.append(" ", text("span", `(${detail})`, "detail"));
        return line;
      }),
    );
    if (voice?.reason) byId("remarks").append(text("li", `The voice is not known yet. ${voice.reason}`));
    byId("remarks").hidden = byId("remarks").children.length === 0;
  }

  draw() {
    const { picture, timeline, answer } = this.shown ?? {};
    if (!picture || byId("picture").hidden) return;
    drawWave(byId("wave"), picture, timeline?.segments ?? [{ answer, end_seconds: Infinity }]);
    drawSpectrogram(byId("spectrogram"), picture, dark.matches);
    if (timeline) drawStream(byId("stream"), timeline, picture.seconds);
  }

  seek(moment) {
    this.audio.currentTime = moment;
    this.place(moment);
    byId("playhead").classList.add("shown");
  }

  seekByPointer(event) {
    if (event.target.closest("button")) return;
    const { left, width } = byId("plots").getBoundingClientRect();
    this.seek(((event.clientX - left) / width) * this.shown.picture.seconds);
  }

  place(moment) {
    const { seconds: duration } = this.shown.picture;
    byId("position").value = moment;
    byId("position").setAttribute("aria-valuetext", seconds(moment));
    byId("time").textContent = `${clock(moment)} / ${clock(duration)}`;
    byId("playhead").style.setProperty("--at", Math.min(1, moment / duration));
  }

  follow() {
    const playing = !this.audio.paused;
    byId("play").classList.toggle("playing", playing);
    byId("play").setAttribute("aria-label", playing ? "Pause" : "Play");
    if (playing) byId("playhead").classList.add("shown");
    const step = () => {
      if (!this.shown?.picture) return;
      this.place(this.audio.currentTime);
      if (!this.audio.paused) requestAnimationFrame(step);
    };
    step();
  }
}

// The probabilities as colours of a ring; grey if there are none.
function aura(probabilities) {
  if (!probabilities) return colour("unknown");
  let from = 0;
  const arcs = among(probabilities).map((emotion) => {
    const start = from;
    from += probabilities[emotion] * 100;
    return `${colour(emotion)} ${start}% ${from}%`;
  });
  return `conic-gradient(${arcs.join(", ")})`;
}
