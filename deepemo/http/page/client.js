// Requests to the API.

const RETRIES = 3;
let key = sessionStorage.getItem("deepemo-key");

export class Refusal extends Error {
  constructor(problem) {
    super(problem.detail || problem.title);
    this.reason = problem.reason;
    this.title = problem.title;
  }
}

export function setKey(value) {
  key = value;
  sessionStorage.setItem("deepemo-key", value);
}

async function request(path, options = {}) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const response = await fetch(path, { ...options, headers });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({ reason: "internal", title: response.statusText }));
  const refusal = new Refusal(problem);
  refusal.retryAfter = Number(response.headers.get("Retry-After")) || null;
  throw refusal;
}

async function send(path, recording, voice = null) {
  for (let attempt = 0; ; attempt += 1) {
    const form = new FormData();
    form.append("file", recording, "recording");
    if (voice) form.append("voice", JSON.stringify(voice));
    try {
      const response = await request(path, { method: "POST", body: form });
      return await response.json();
    } catch (error) {
      if (!(error instanceof Refusal) || error.reason !== "busy" || attempt === RETRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * (error.retryAfter ?? 1)));
    }
  }
}

// Opens a stream of sound; `start` says what will be sent.
export function openStream(start) {
  const address = new URL("v1/stream", document.baseURI);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  socket.addEventListener("open", () => socket.send(JSON.stringify(key ? { ...start, key } : start)));
  return socket;
}

// voice: reference of other recordings of the same voice, or null.
export const recognize = (recording, voice = null) => send("v1/recognitions?picture=true", recording, voice);
export const makeReference = (recording) => send("v1/voice", recording);
export const describe = async () => (await request("v1/model")).json();
export const readCard = async () => (await request("v1/model/card")).text();
