// Sends a microphone's sound to the server while somebody speaks, and passes its answers on.

import { openStream } from "./client.js";

// Most sound that may wait to be sent, or for the server to be ready; with more, the network is too slow.
const MOST_WAITING_SECONDS = 10;

export class Live {
  // voice: reference of other recordings of the same voice, or null; onReady(ready): the server listens; onSound(samples, rate): float samples as they come; onAnswer(answer): at each hop;
  // onFail: no more answers will come.
  constructor({ voice, onReady, onSound, onAnswer, onFail }) {
    Object.assign(this, { voice, onReady, onSound, onAnswer, onFail });
    this.waiting = [];
    this.ready = false;
    this.ended = false;
  }

  // source: the node of a microphone. If no stream is possible, nothing happens: the recording is sent at its end.
  async follow(source) {
    try {
      const { audioWorklet, sampleRate } = source.context;
      await audioWorklet.addModule(new URL("pcm.js", import.meta.url));
      if (this.ended) return;
      this.rate = sampleRate;
      this.node = new AudioWorkletNode(source.context, "pcm", { numberOfOutputs: 0 });
      this.node.port.onmessage = ({ data }) => this.take(data);
      source.connect(this.node);
      this.socket = openStream({ format: "s16", rate_hz: sampleRate, voice: this.voice });
    } catch {
      this.fail();
      return;
    }
    this.socket.addEventListener("message", ({ data }) => this.hear(JSON.parse(data)));
    for (const name of ["error", "close"]) this.socket.addEventListener(name, () => this.fail());
  }

  hear(message) {
    if (this.ended) return;
    if (message.type === "ready") {
      this.ready = true;
      this.onReady(message);
      for (const samples of this.waiting.splice(0)) this.send(samples);
    } else if (message.type === "answer") {
      this.onAnswer(message);
    } else {
      this.fail();
    }
  }

  take(samples) {
    if (this.ended) return;
    if (this.ready) this.send(samples);
    else this.waiting.push(samples);
    const waiting = this.waiting.length * samples.length + (this.socket?.bufferedAmount ?? 0) / 2;
    if (waiting / this.rate > MOST_WAITING_SECONDS) this.fail();
  }

  send(samples) {
    const content = new DataView(new ArrayBuffer(2 * samples.length));
    samples.forEach((sample, index) => {
      content.setInt16(2 * index, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
    });
    this.socket.send(content);
    this.onSound(samples, this.rate);
  }

  fail() {
    if (this.ended) return;
    this.end();
    this.onFail();
  }

  // No more answers are wanted.
  end() {
    this.ended = true;
    this.waiting = [];
    this.node?.disconnect();
    this.socket?.close();
  }
}
