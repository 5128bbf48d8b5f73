// What this browser keeps until it is thrown away: transcripts, their sound, and what is under way. In IndexedDB.
//
// items: what lists show of a transcript, with its job if it has one. texts: its segments and waveform. sounds: the
// recording. All by the transcript's id. Nothing of it is sent anywhere.

const NAME = "whisper-endpoint";
const STORES = ["items", "texts", "sounds"];
export const changes = new EventTarget(); // "change", whenever something was written, in this tab or another

const tabs = new BroadcastChannel(NAME);
tabs.onmessage = () => changes.dispatchEvent(new Event("change"));

let opened = null;

function open() {
  opened ||= new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => STORES.forEach((name) => asked.result.createObjectStore(name, { keyPath: "id" }));
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
  return opened;
}

function result(asked) {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

async function within(names, mode, run) {
  const database = await open();
  const transaction = database.transaction(names, mode);
  const ended = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
  const found = await run(...names.map((name) => transaction.objectStore(name)));
  await ended;
  if (mode === "readwrite") {
    changes.dispatchEvent(new Event("change"));
    tabs.postMessage("change");
  }
  return found;
}

export function newId() {
  return crypto.randomUUID ? crypto.randomUUID() : [...crypto.getRandomValues(new Uint32Array(4))].join("-");
}

/** All transcripts as lists show them, the newest first. */
export async function listItems() {
  const found = await within(["items"], "readonly", (items) => result(items.getAll()));
  return found.sort((a, b) => b.created - a.created);
}

export function getItem(id) {
  return within(["items"], "readonly", (items) => result(items.get(id)));
}

export function putItem(item) {
  return within(["items"], "readwrite", (items) => result(items.put(item)));
}

/** Changes some fields of an item. Returns the item, or undefined where it was thrown away. */
export function changeItem(id, fields) {
  return within(["items"], "readwrite", async (items) => {
    const item = await result(items.get(id));
    if (!item) return undefined;
    const changed = { ...item, ...fields };
    await result(items.put(changed));
    return changed;
  });
}

/** The segments and the waveform of a transcript; undefined while there are none. */
export function getText(id) {
  return within(["texts"], "readonly", (all) => result(all.get(id)));
}

export function putText(text) {
  return within(["texts"], "readwrite", (all) => result(all.put(text)));
}

/** The recording as a Blob; undefined where it is not here. */
export async function getSound(id) {
  const found = await within(["sounds"], "readonly", (sounds) => result(sounds.get(id)));
  return found?.blob;
}

/** Keeps a recording. Returns whether there was room for it. */
export async function putSound(id, blob) {
  navigator.storage?.persist?.(); // else browsers may throw it away by themselves
  try {
    await within(["sounds"], "readwrite", (sounds) => result(sounds.put({ id, blob })));
    return true;
  } catch (error) {
    if (error?.name !== "QuotaExceededError") throw error;
    return false;
  }
}

/** Throws a transcript away, with its sound. */
export function throwAway(id) {
  return within(STORES, "readwrite", (...all) => Promise.all(all.map((one) => result(one.delete(id)))));
}
