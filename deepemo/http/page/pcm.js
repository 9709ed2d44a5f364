// Runs in the audio thread: passes on the mean of the channels, some thousand samples at a time.

const PIECE = 4096;

class Pcm extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(PIECE);
    this.filled = 0;
  }

  process([channels]) {
    const frames = channels[0]?.length ?? 0;
    for (let frame = 0; frame < frames; frame += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[frame];
      this.piece[this.filled] = sum / channels.length;
      this.filled += 1;
      if (this.filled === PIECE) {
        this.port.postMessage(this.piece);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("pcm", Pcm);
