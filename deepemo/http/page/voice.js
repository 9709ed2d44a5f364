// Recordings of one voice: each is answered with a reference of the others. All of them stay in this page.

import { makeReference, recognize, Refusal } from "./client.js";

export class Voice {
  constructor() {
    this.recordings = [];
  }

  // A recording and its own reference; null if no speech is heard in it.
  async add(recording, name) {
    let reference = null;
    try {
      reference = await makeReference(recording);
    } catch (error) {
      if (!(error instanceof Refusal) || error.reason !== "no_reference") throw error;
    }
    this.recordings.push({ recording, name, reference, recognition: null });
  }

  // Answers every recording again, because each has one more to be compared with.
  async answer() {
    for (const one of this.recordings) one.recognition = await recognize(one.recording, this.reference(one));
  }

  // The reference of all recordings but one; null if no speech is heard in them.
  reference(except = null) {
    const others = this.recordings.filter((other) => other !== except && other.reference);
    return others.length ? joined(others.map((other) => other.reference)) : null;
  }

  forget() {
    this.recordings = [];
  }
}

// As VoiceReference.joined of the library: one reference of the recordings of several references.
export function joined(references) {
  const means = references.map((reference) => decoded(reference.mean));
  const count = references.reduce((sum, { recordings }) => sum + recordings, 0);
  const mean = means[0].map((_, index) => means.reduce((sum, one, at) => sum + one[index] * references[at].recordings, 0) / count);
  let squares = 0;
  references.forEach(({ recordings, deviation }, at) => {
    const between = means[at].reduce((sum, value, index) => sum + (value - mean[index]) ** 2, 0) / mean.length;
    squares += (recordings - 1) * deviation ** 2 + recordings * between;
  });
  const deviation = Math.sqrt(squares / Math.max(1, count - 1));
  return { ...references[0], recordings: count, deviation, mean: encoded(mean) };
}

// Base64 of little-endian float32, and numbers.
function decoded(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getFloat32(4 * index, true));
}

function encoded(numbers) {
  const view = new DataView(new ArrayBuffer(4 * numbers.length));
  numbers.forEach((number, index) => view.setFloat32(4 * index, number, true));
  return btoa(Array.from(new Uint8Array(view.buffer), (byte) => String.fromCharCode(byte)).join(""));
}
