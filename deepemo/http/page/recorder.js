// The microphone: records it, and reports its level meanwhile.

const TYPES = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];
const QUIETEST_DBFS = -55;

export class Recorder {
  // onLevel is told 0 (silent) to 1 (loud), and the seconds recorded, at every frame of the screen.
  // onSource is given the node of the microphone once it is heard.
  constructor({ onLevel, onSource, maxSeconds }) {
    this.onLevel = onLevel;
    this.onSource = onSource;
    this.maxSeconds = maxSeconds;
    this.active = false;
  }

  // Resolves with the recording once stop() is called or it is as long as it may be.
  async record() {
    // The processing that makes calls clear removes part of how feelings sound.
    const wanted = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
    const context = new AudioContext();
    const listener = context.createAnalyser();
    listener.fftSize = 1024;
    const source = context.createMediaStreamSource(stream);
    source.connect(listener);
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    const recorder = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: 128_000 });
    const pieces = [];
    recorder.ondataavailable = (event) => pieces.push(event.data);
    const stopped = new Promise((resolve) => { recorder.onstop = resolve; });
    recorder.start(250);
    this.active = true;
    this.stop = () => recorder.state !== "inactive" && recorder.stop();
    this.onSource(source);
    this.watch(listener, performance.now());
    await stopped;
    this.active = false;
    stream.getTracks().forEach((track) => track.stop());
    await context.close();
    return new Blob(pieces, { type: recorder.mimeType });
  }

  watch(listener, began) {
    const samples = new Float32Array(listener.fftSize);
    const look = () => {
      if (!this.active) return;
      listener.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      const seconds = (performance.now() - began) / 1000;
      this.onLevel(Math.min(1, Math.max(0, 1 - (10 * Math.log10(power + 1e-12)) / QUIETEST_DBFS)), seconds);
      if (seconds >= this.maxSeconds) this.stop();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }
}
