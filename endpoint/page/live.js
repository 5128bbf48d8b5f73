// A microphone to text while one speaks: sound over /v1/realtime, opened with a client secret, and what comes back.

import { ApiError, apiError, getJson, key } from "./api.js";
import { texts } from "./texts.js";
import { segment } from "./transcript.js";

export const RATE = 24_000;
const PEAK_SAMPLES = RATE / 25;
const TRANSCRIPTION = "conversation.item.input_audio_transcription";
const LAST_MS = 60_000; // longest wait for the text of the last turn

/** One recording. Sends "change" when there is new text or sound, and "failed" with `detail` when it cannot go on. */
export class LiveRecording extends EventTarget {
  constructor(options, server) {
    super();
    Object.assign(this, { options, server });
    this.blocks = []; // 16 bit samples
    this.samples = 0;
    this.level = 0;
    this.segments = [];
    this.open = new Map(); // turns without their final text: id -> {text, unstable}
    this.language = "";
    this.problem = "";
  }

  get seconds() {
    return this.samples / RATE;
  }

  /** What is spoken now, before it is final: what stays, and what may change. */
  get interim() {
    const turns = [...this.open.values()];
    return { text: turns.map((turn) => turn.text).join(" "), unstable: turns.at(-1)?.unstable || "" };
  }

  /** Asks for the microphone and opens the socket. Throws ApiError. */
  async start() {
    if (!navigator.mediaDevices) throw new ApiError(texts.record.insecure);
    const secret = await this.#secret();
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false },
      });
    } catch {
      throw new ApiError(texts.record.refused);
    }
    try {
      await this.#connect(secret);
      await this.#listen();
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /** What the socket is opened with: a client secret; the key itself where the server makes none. */
  async #secret() {
    if (!this.server.clientSecrets) return key();
    const json = { session: { type: "transcription" } };
    return (await getJson("/v1/realtime/client_secrets", { method: "POST", json })).value;
  }

  #connect(secret) {
    const address = new URL("/v1/realtime?intent=transcription", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address, ["realtime", `openai-insecure-api-key.${secret}`]);
    this.socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    return new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onclose = () => {
        reject(new ApiError(texts.record.closed));
        if (!this.finishing) this.#fail(texts.record.closed);
      };
    });
  }

  async #listen() {
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule("/page/recorder-worklet.js");
    this.node = new AudioWorkletNode(this.context, "recorder", { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => this.#sound(data);
    const { model, language, hotwords } = this.options;
    const keywords = (hotwords || "")
      .split(/[,\n]/)
      .map((word) => word.trim())
      .filter(Boolean);
    const transcription = {
      ...(model && { model }),
      ...(language && language !== "multi" && { language }),
      ...(keywords.length && { keywords }),
    };
    this.#send({
      type: "session.update",
      session: {
        type: "transcription",
        audio: { input: { format: { type: "audio/pcm", rate: RATE }, transcription } },
        include: ["item.input_audio_transcription.words", "item.input_audio_transcription.unstable"],
      },
    });
    this.context.createMediaStreamSource(this.stream).connect(this.node);
    await this.context.resume();
  }

  #sound(block) {
    if (!block.length) return;
    this.blocks.push(block);
    this.samples += block.length;
    this.level = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 32768;
    this.#send({ type: "input_audio_buffer.append", audio: base64(new Uint8Array(block.buffer)) });
    this.#changed();
  }

  #send(event) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(event));
  }

  #receive(event) {
    const kind = event.type.startsWith(TRANSCRIPTION) ? event.type.slice(TRANSCRIPTION.length + 1) : event.type;
    if (kind === "input_audio_buffer.committed") this.#turn(event.item_id);
    else if (kind === "delta") this.#delta(event);
    else if (kind === "completed") this.#completed(event);
    else if (kind === "failed") this.#lost(event);
    else if (kind === "error" && event.error.code === "input_audio_buffer_commit_empty") this.committed?.();
    else if (kind === "error") this.#fail(apiError(0, event).message);
    if (kind === "input_audio_buffer.committed") this.committed?.();
    if (this.finishing && !this.open.size) this.settled?.();
    this.#changed();
  }

  #turn(id) {
    if (!this.open.has(id)) this.open.set(id, { text: "", unstable: "" });
    return this.open.get(id);
  }

  #delta({ item_id: id, delta, unstable = "" }) {
    const turn = this.#turn(id);
    turn.text += delta;
    turn.unstable = unstable;
  }

  #completed(event) {
    this.open.delete(event.item_id);
    this.language ||= event.languages[0]?.code || "";
    this.languageProbability ??= event.language_probability;
    if (!event.transcript.trim()) return;
    const words = (event.words || []).map(({ word, start, end, probability }) => ({
      text: ` ${word}`,
      start,
      end,
      probability,
    }));
    const [start, end] = [event.audio_start_ms / 1000, event.audio_end_ms / 1000];
    const whole = words.map((word) => word.text).join("");
    const fits = whole.trim() === event.transcript.trim();
    this.segments.push(
      segment({ start, end, text: fits ? whole : ` ${event.transcript.trim()}`, words: fits ? words : null }),
    );
  }

  #lost({ item_id: id, error }) {
    this.open.delete(id);
    this.problem = error?.message || texts.record.turnLost;
  }

  #fail(message) {
    this.dispatchEvent(new CustomEvent("failed", { detail: message }));
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** Ends the recording, and waits for the text of what was spoken last. Returns whether all of it came. */
  async stop() {
    this.node?.port.postMessage("flush");
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
    this.finishing = true;
    const committed = new Promise((resolve) => {
      this.committed = resolve;
    });
    this.stream?.getTracks().forEach((track) => track.stop());
    const closed = this.socket.readyState !== WebSocket.OPEN;
    const late = new Promise((resolve) => {
      setTimeout(resolve, LAST_MS, "late");
    });
    const ended = committed.then(
      () =>
        this.open.size &&
        new Promise((resolve) => {
          this.settled = resolve;
        }),
    );
    if (!closed) this.#send({ type: "input_audio_buffer.commit" });
    const how = closed ? "late" : await Promise.race([ended, late]);
    this.#release();
    return how !== "late";
  }

  /** Ends it and keeps nothing. */
  discard() {
    this.finishing = true;
    this.#release();
  }

  #release() {
    if (this.released) return;
    this.finishing = this.released = true;
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.context?.state !== "closed") this.context?.close();
    this.socket?.close();
  }

  /** The recording as a WAV file. */
  wav() {
    const bytes = this.samples * 2;
    const head = new DataView(new ArrayBuffer(44));
    const text = (at, value) => [...value].forEach((letter, k) => head.setUint8(at + k, letter.charCodeAt(0)));
    text(0, "RIFF");
    head.setUint32(4, 36 + bytes, true);
    text(8, "WAVEfmt ");
    [
      [16, 16],
      [24, RATE],
      [28, RATE * 2],
      [40, bytes],
    ].forEach(([at, value]) => head.setUint32(at, value, true));
    [
      [20, 1],
      [22, 1],
      [32, 2],
      [34, 16],
    ].forEach(([at, value]) => head.setUint16(at, value, true));
    text(36, "data");
    return new Blob([head, ...this.blocks], { type: "audio/wav" });
  }

  /** Its waveform, as the server draws those of files. */
  peaks() {
    const peaks = new Uint8Array(Math.ceil(this.samples / PEAK_SAMPLES));
    let at = 0;
    for (const block of this.blocks) {
      for (const value of block) {
        const number = Math.floor(at / PEAK_SAMPLES);
        peaks[number] = Math.max(peaks[number], Math.abs(value) >> 7);
        at += 1;
      }
    }
    return peaks;
  }
}

function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
