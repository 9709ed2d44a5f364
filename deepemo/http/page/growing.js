// Shows a recording while it grows: waveform, voice, bars, probabilities over time and segments.

import { drawStream, drawWave } from "./drawing.js";
import { seconds } from "./emotions.js";

const byId = (id) => document.getElementById(id);
// From this length on, the picture fills its width, and is compressed as the recording grows.
const FULL_SECONDS = 10;
const COLUMN_SECONDS = 0.02;

export class Growing {
  // result: of the page, whose elements are used; threshold: probability from which an emotion is answered;
  // use: whether a reference of the voice is used, or null.
  constructor(result, threshold, use) {
    this.result = result;
    this.compared = use?.used ? ` · compared with ${use.recordings} others of this voice` : "";
    this.low = [];
    this.high = [];
    this.seconds = 0;
    this.windows = [];
    this.segments = [];
    result.listen(threshold);
  }

  // Float samples that the microphone has heard.
  hear(samples, rate) {
    const step = Math.round(COLUMN_SECONDS * rate);
    for (let start = 0; start < samples.length; start += step) {
      const column = samples.subarray(start, start + step);
      this.low.push(Math.min(...column));
      this.high.push(Math.max(...column));
    }
    this.seconds += samples.length / rate;
    this.draw();
  }

  // The answer of the server at a hop.
  answer({ window, is_full: isFull, so_far: soFar, heard_seconds: heard }) {
    if (isFull) this.windows.push(window);
    const last = this.segments.at(-1);
    const start = last?.end_seconds ?? 0;
    if (last && last.answer === window.answer && last.reason === window.reason) last.end_seconds = window.end_seconds;
    else this.segments.push({ ...window, start_seconds: start });
    const voice = window.reason === "no_voice" ? "no voice now" : "voice heard";
    this.result.say({ ...soFar, explanation: null }, `So far, ${seconds(heard)} · ${voice}${this.compared}`);
    // Once for each new answer: a screen reader reads it out.
    if (byId("status").textContent !== soFar.answer) byId("status").textContent = soFar.answer;
    this.result.showSegments({ segments: this.segments });
    this.draw();
  }

  // No more live answers will come, but the microphone still records.
  stall() {
    byId("scope").textContent = "The answer comes when you stop";
  }

  draw() {
    const end = this.segments.at(-1)?.end_seconds ?? 0;
    const grown = (heard) => Math.min(1, heard / Math.max(FULL_SECONDS, this.seconds));
    byId("plots").style.setProperty("--grown", grown(this.seconds));
    byId("plots").style.setProperty("--answered", grown(end));
    const picture = { low: this.low, high: this.high, columns: this.low.length, seconds: this.seconds };
    const rest = { answer: "unknown", end_seconds: Infinity };
    drawWave(byId("wave"), picture, [...this.segments, rest]);
    byId("stream").hidden = this.windows.length === 0;
    if (this.windows.length) drawStream(byId("stream"), { windows: this.windows }, end);
  }
}
