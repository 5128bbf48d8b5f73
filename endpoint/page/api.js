// The server's API: the key of this browser session, requests, streams of events, and errors as people read them.

import { texts } from "./texts.js";

const KEY = "whisper-endpoint-key";
const listeners = new Set();

/** The key that requests are sent with; empty without one. It is forgotten when the tab is closed. */
export function key() {
  return sessionStorage.getItem(KEY) || "";
}

/** Use another key from now on; an empty one signs out. */
export function useKey(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

/** Calls `listener` when the server refuses the key. Returns how to stop it. */
export function onRefused(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** An error that the server responded with, or why there was no response. retryAfter: seconds, 0 if unknown. */
export class ApiError extends Error {
  constructor(message, { status = 0, code = "", param = "", retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { status, code, param, retryAfter });
  }
}

/** The error of a response body in OpenAI's shape. */
export function apiError(status, body, retryAfter = 0) {
  const error = body && typeof body === "object" ? body.error || {} : {};
  const code = error.code || "";
  if (status === 401) for (const listener of listeners) listener();
  const known = texts.errors.codes[code] || texts.errors.statuses[status];
  const message = known ? known(error.message || "", retryAfter) : error.message || texts.errors.status(status);
  return new ApiError(message, { status, code, param: error.param || "", retryAfter });
}

/** The text that people read for anything that was thrown. */
export function readable(error) {
  if (error instanceof ApiError) return error.message;
  return error?.message ? texts.errors.unexpected(error.message) : texts.errors.unknown;
}

/** Headers of every request. */
export function headers(more = {}) {
  return key() ? { authorization: `Bearer ${key()}`, ...more } : more;
}

/** A response. `json` is sent as a JSON body. Throws ApiError; an abort by the signal is thrown as it is. */
export async function request(path, { method = "GET", json, body, signal, more = {} } = {}) {
  const sent = json === undefined ? { body } : { body: JSON.stringify(json) };
  if (json !== undefined) more = { "content-type": "application/json", ...more };
  let response;
  try {
    response = await fetch(path, { method, signal, headers: headers(more), cache: "no-store", ...sent });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(texts.errors.offline, { code: "offline" });
  }
  if (response.ok) return response;
  throw apiError(response.status, await parsed(response), Number(response.headers.get("retry-after")) || 0);
}

async function parsed(response) {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

/** The JSON body of a response. */
export async function getJson(path, options) {
  return (await request(path, options)).json();
}

/** Server-sent events of a route, as {event, id, data}; data is parsed. Ends with the stream. */
export async function* events(path, options) {
  const response = await request(path, options);
  if (response.status === 204) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new EventParser();
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) yield* parser.feed(step.value);
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Text of a stream to events; bytes may be cut anywhere. */
export class EventParser {
  #rest = "";

  *feed(text) {
    this.#rest += text;
    for (let end = this.#rest.indexOf("\n\n"); end >= 0; end = this.#rest.indexOf("\n\n")) {
      const found = parseEvent(this.#rest.slice(0, end));
      this.#rest = this.#rest.slice(end + 2);
      if (found) yield found;
    }
  }
}

function parseEvent(block) {
  const found = { event: "message", id: "", data: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w*):? ?(.*)$/.exec(line) || [];
    if (name === "data") found.data += value;
    else if (name === "event" || name === "id") found[name] = value;
  }
  return found.data ? { ...found, data: JSON.parse(found.data) } : null;
}

/** Posts a form. Unlike `request` it reports how much was sent: onUpload(share). onEvent gets events as they arrive,
 * where the response is a stream; else the result is its JSON. Throws ApiError, and AbortError by the signal. */
export function postForm(path, form, { onUpload, onEvent, signal, more = {} } = {}) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    const parser = new EventParser();
    let read = 0;
    const pass = () => {
      if (!onEvent || sending.status !== 200) return;
      const text = sending.responseText.slice(read);
      read += text.length;
      for (const event of parser.feed(text)) onEvent(event);
    };
    const abort = () => sending.abort();
    sending.open("POST", path);
    for (const [name, value] of Object.entries(headers(more))) sending.setRequestHeader(name, value);
    sending.upload.onprogress = (event) => event.lengthComputable && onUpload?.(event.loaded / event.total);
    sending.upload.onload = () => onUpload?.(1);
    sending.onprogress = pass;
    sending.onload = () => {
      pass();
      if (sending.status < 300) return resolve(onEvent ? null : parseBody(sending));
      const wait = Number(sending.getResponseHeader("retry-after")) || 0;
      return reject(apiError(sending.status, parseBody(sending), wait));
    };
    sending.onerror = () => reject(new ApiError(texts.errors.offline, { code: "offline" }));
    sending.onabort = () => reject(new DOMException("", "AbortError"));
    sending.onloadend = () => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) return reject(new DOMException("", "AbortError"));
    return sending.send(form);
  });
}

function parseBody(sending) {
  try {
    return JSON.parse(sending.responseText);
  } catch {
    return null;
  }
}
