// What the browser can tell of a recording without decoding it.

const VIDEO = /^video\//;
const WAIT_MS = 8000;

/** Whether a recording has a picture, by its media type. */
export function hasPicture(blob) {
  return VIDEO.test(blob?.type || "");
}

/** Its length in seconds, from its head; null where the browser cannot tell. */
export function lengthOf(blob) {
  return new Promise((resolve) => {
    const media = document.createElement(hasPicture(blob) ? "video" : "audio");
    const address = URL.createObjectURL(blob);
    const done = () => {
      clearTimeout(waiting);
      const length = media.duration;
      media.removeAttribute("src");
      media.load();
      URL.revokeObjectURL(address);
      resolve(Number.isFinite(length) && length > 0 ? length : null);
    };
    const waiting = setTimeout(done, WAIT_MS);
    media.preload = "metadata";
    media.onloadedmetadata = done;
    media.onerror = done;
    media.src = address;
  });
}
