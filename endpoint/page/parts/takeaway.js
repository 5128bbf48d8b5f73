// Take away: text, subtitles in any layout, JSON; copied, downloaded, or all in one archive.

import { readable, request } from "../api.js";
import { button, el, field, fill, select, tick } from "../dom.js";
import { hasPicture } from "../media.js";
import { texts } from "../texts.js";
import { plainText, verboseOf } from "../transcript.js";
import { fileNames, plainName, zip } from "../zip.js";
import { dialog } from "./confirm.js";

const KEPT = "whisper-endpoint-take-away";
const FORMATS = ["txt", "srt", "vtt", "json"];
const MEDIA = { txt: "text/plain", srt: "application/x-subrip", vtt: "text/vtt", json: "application/json" };
// Own layouts: field of the API, least, most, step, default.
const NUMBERS = [
  ["max_line_width", 10, 200, 1, 42],
  ["max_line_count", 1, 6, 1, 2],
  ["max_words_per_line", 1, 50, 1, ""],
  ["min_display_seconds", 0, 10, 0.1, ""],
  ["max_display_seconds", 0.5, 30, 0.5, 7],
  ["reading_speed", 5, 60, 1, ""],
];
const SHOWN = 20_000; // characters of a preview

/** The texts of a transcript in every format. chosen: as `read` gives it. */
export async function written(format, item, segments, names, chosen, signal) {
  if (format === "txt") return plainText(segments, names, chosen);
  if (format === "json") return `${JSON.stringify(verboseOf(item, segments, names), null, 1)}\n`;
  const shown = chosen.speakers ? spoken(segments, names) : segments;
  const layout =
    chosen.layout === "own" ? Object.fromEntries(Object.entries(chosen.own).filter(([, value]) => value !== "")) : {};
  if (chosen.layout === "broadcast") layout.subtitle_layout = "broadcast";
  if (chosen.highlight) layout.highlight_words = true;
  const json = { transcript: verboseOf(item, shown, {}), response_format: format, ...layout };
  if (item.task === "translate") json.transcript.language = "english";
  return (await request("/v1/audio/transcripts/render", { method: "POST", json, signal })).text();
}

/** Segments that begin with the name of who speaks, wherever that changes. */
function spoken(segments, names) {
  return segments.map((one, number) => {
    if (!one.speaker || segments[number - 1]?.speaker === one.speaker) return one;
    const name = ` ${names[one.speaker] || one.speaker}:`;
    const words = one.words && [{ text: name, start: one.start, end: one.start, probability: 1 }, ...one.words];
    return { ...one, text: name + one.text, words };
  });
}

/** What was chosen last. */
export function read() {
  const own = Object.fromEntries(NUMBERS.map(([name, , , , value]) => [name, value]));
  const first = { format: "txt", times: false, speakers: true, layout: "segments", highlight: false, own };
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT)) || {};
    return { ...first, ...kept, own: { ...own, ...kept.own } };
  } catch {
    return first;
  }
}

/** Saves a Blob as a file. */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = el("a", { href: address, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** The dialog. edited: an Edited. sound: the recording, or null. */
export function takeAway({ item, edited, sound, announce }) {
  const chosen = read();
  const { segments, names } = edited;
  const preview = el("pre", { class: "preview", tabindex: "0", "aria-label": texts.take.preview });
  const problem = el("p", { class: "problem", role: "alert" });
  const stage = el("div", { class: "take-stage" });
  const layouts = el("div", { class: "stack" });
  const formats = el(
    "fieldset",
    { class: "segmented" },
    el("legend", { class: "unseen" }, texts.take.format),
    FORMATS.map(formatChoice),
  );
  const copy = button(texts.take.copy, { symbol: "copy", on: { click: copyText } });
  const down = button(texts.take.download, { symbol: "download", kind: "primary", on: { click: download } });
  const all = button(texts.take.zip, { symbol: "file", on: { click: downloadAll } });
  const watch = button(hasPicture(sound) ? texts.take.watch : texts.take.listen, {
    symbol: "play",
    on: { click: showStage },
  });
  const root = dialog(
    texts.take.title,
    formats,
    layouts,
    preview,
    stage,
    problem,
    el("div", { class: "row take-actions" }, down, copy, all, watch),
  );
  root.classList.add("take");
  let [text, running, wait, address] = ["", null, 0, ""];
  root.addEventListener("close", () => {
    running?.abort();
    clearTimeout(wait);
    URL.revokeObjectURL(address);
  });
  draw();
  write();

  function formatChoice(format) {
    const input = el("input", {
      type: "radio",
      name: "format",
      value: format,
      checked: chosen.format === format,
      on: {
        change: () => {
          chosen.format = format;
          draw();
          changed();
        },
      },
    });
    return el("label", {}, input, el("span", {}, texts.take.formats[format]));
  }

  function option(name, label) {
    const made = tick(label, { checked: chosen[name] });
    made.input.addEventListener("change", () => {
      chosen[name] = made.input.checked;
      changed();
    });
    return made.root;
  }

  function draw() {
    const cues = ["srt", "vtt"].includes(chosen.format);
    const hasSpeakers = segments.some((one) => one.speaker);
    watch.hidden = !sound || !cues;
    if (!cues) fill(stage);
    preview.hidden = Boolean(stage.firstChild);
    fill(
      layouts,
      cues && cueOptions(),
      el(
        "div",
        { class: "row ticks" },
        chosen.format === "txt" && option("times", texts.take.times),
        hasSpeakers && chosen.format !== "json" && option("speakers", texts.take.speakers),
        cues && segments.some((one) => one.words) && option("highlight", texts.take.highlight),
      ),
    );
  }

  function cueOptions() {
    const own = el("div", { class: "grid numbers-grid", hidden: chosen.layout !== "own" }, NUMBERS.map(numberField));
    const layout = select(
      ["segments", "broadcast", "own"].map((one) => [one, texts.take.layouts[one]]),
      chosen.layout,
      {
        on: {
          change: () => {
            chosen.layout = layout.value;
            own.hidden = chosen.layout !== "own";
            changed();
          },
        },
      },
    );
    return [field(texts.take.layout, layout, texts.take.layoutHint), own];
  }

  function numberField([name, least, most, step]) {
    const input = el("input", { type: "number", min: least, max: most, step, value: chosen.own[name] });
    input.addEventListener("change", () => {
      chosen.own[name] = input.value === "" || !input.checkValidity() ? "" : Number(input.value);
      changed();
    });
    return field(texts.take.numbers[name], input);
  }

  function changed() {
    localStorage.setItem(KEPT, JSON.stringify(chosen));
    clearTimeout(wait);
    wait = setTimeout(write, 150);
  }

  async function write() {
    running?.abort();
    const mine = (running = new AbortController());
    fill(problem);
    preview.setAttribute("aria-busy", "true");
    try {
      text = await written(chosen.format, item, segments, names, chosen, mine.signal);
      fill(preview, text.length > SHOWN ? `${text.slice(0, SHOWN)}\n${texts.take.goesOn}` : text || texts.take.empty);
      if (stage.firstChild) showStage();
    } catch (error) {
      if (!mine.signal.aborted) fill(problem, readable(error));
    } finally {
      if (running === mine) preview.removeAttribute("aria-busy");
    }
  }

  async function copyText() {
    try {
      await navigator.clipboard.writeText(text);
      announce(texts.take.copied);
      fill(copy.querySelector("span"), texts.take.copiedShort);
      setTimeout(() => fill(copy.querySelector("span"), texts.take.copy), 2000);
    } catch {
      fill(problem, texts.take.notCopied);
    }
  }

  function download() {
    save(
      new Blob([text], { type: `${MEDIA[chosen.format]};charset=utf-8` }),
      `${plainName(item.name)}.${chosen.format}`,
    );
  }

  async function downloadAll() {
    all.disabled = true;
    try {
      const name = plainName(item.name);
      const files = await Promise.all(
        FORMATS.map(async (format) => [`${name}.${format}`, await written(format, item, segments, names, chosen)]),
      );
      save(zip(files), `${name}.zip`);
    } catch (error) {
      fill(problem, readable(error));
    } finally {
      all.disabled = false;
    }
  }

  /** The recording with the subtitles over it, as players show them. */
  async function showStage() {
    const cues = await written("vtt", item, segments, names, chosen);
    const at = stage.querySelector("video")?.currentTime || 0;
    URL.revokeObjectURL(address);
    address = URL.createObjectURL(new Blob([cues], { type: "text/vtt" }));
    const video = el(
      "video",
      { controls: true, playsinline: true, "aria-label": texts.take.stage },
      el("track", { kind: "subtitles", src: address, default: true, srclang: "en", label: texts.take.subtitles }),
    );
    video.src = URL.createObjectURL(sound);
    video.addEventListener(
      "loadedmetadata",
      () => {
        video.currentTime = at;
        video.textTracks[0].mode = "showing";
      },
      { once: true },
    );
    root.addEventListener(
      "close",
      () => {
        video.pause();
        URL.revokeObjectURL(video.src);
      },
      { once: true },
    );
    fill(stage, video);
    preview.hidden = true;
    video.addEventListener("loadeddata", () => video.scrollIntoView({ block: "center" }), { once: true });
  }
}

/** One archive of several transcripts. rows: {item, segments, names}. */
export async function archive(rows) {
  const chosen = read();
  const names = fileNames(rows.map(({ item }) => item.name));
  const files = [];
  for (const [number, { item, segments, names: speakers }] of rows.entries()) {
    for (const format of FORMATS)
      files.push([`${names[number]}.${format}`, await written(format, item, segments, speakers, chosen)]);
  }
  return zip(files);
}
