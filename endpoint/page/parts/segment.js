// One segment of a transcript: its time, its speaker, and its words, which can be played and corrected in place.

import { button, el } from "../dom.js";
import { texts } from "../texts.js";
import { clock } from "../transcript.js";

export const UNSURE = 0.5; // words of a lower probability are marked
const NEW = "\u0000new"; // the entry that makes a speaker; no label begins so

/** The row of a segment. act: play(time), edit(text), assign(speaker), addSpeaker(). */
export function segmentRow(one, { previous, names, speakers, marked, act }) {
  const time = el(
    "button",
    {
      type: "button",
      class: "time numbers",
      "aria-label": texts.segment.playFrom(clock(one.start)),
      on: { click: () => act.play(one.start) },
    },
    clock(one.start),
  );
  const edit = button(texts.segment.edit(clock(one.start)), {
    symbol: "pencil",
    quiet: true,
    class: "button quiet edit",
    on: { click: begin },
  });
  const same = previous && previous.speaker === one.speaker;
  const text = el("p", { class: "words", dir: "auto" }, wordsOf(one, marked));
  text.addEventListener("click", (event) => {
    const number = event.target.dataset?.word;
    if (number !== undefined && one.words) act.play(one.words[number].start);
    else if (event.target.closest(".words") && !one.words) act.play(one.start);
  });
  text.addEventListener("dblclick", begin);
  const root = el(
    "div",
    { class: `segment${one.speaker ? ` voice-${voice(speakers, one.speaker)}` : ""}${same ? " same" : ""}` },
    el("div", { class: "segment-head" }, time, edit, speakers.length > 0 && speakerSelect(one, names, speakers, act)),
    text,
  );
  root.begin = begin;

  /** The text becomes a field; Enter keeps it, Escape does not. */
  function begin() {
    if (root.querySelector("textarea")) return;
    const field = el("textarea", {
      class: "editing",
      value: one.text.trim(),
      "aria-label": texts.segment.text(clock(one.start)),
      rows: 1,
    });
    const keep = button(texts.segment.keep, { kind: "primary small", on: { click: () => end(true) } });
    const leave = button(texts.segment.leave, { kind: "ghost small", on: { click: () => end(false) } });
    const bar = el("div", { class: "row editing-bar" }, keep, leave, el("span", { class: "hint" }, texts.segment.keys));
    let open = true;
    const fit = () => {
      field.style.height = "auto";
      field.style.height = `${field.scrollHeight + 2}px`;
    };
    field.addEventListener("input", fit);
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        end(true);
      }
      if (event.key === "Escape") {
        event.stopPropagation();
        end(false);
      }
    });
    text.hidden = edit.hidden = true;
    root.append(field, bar);
    fit();
    field.focus();

    function end(kept) {
      if (!open) return;
      open = false;
      const value = field.value.replace(/\s+/g, " ").trim();
      field.remove();
      bar.remove();
      text.hidden = edit.hidden = false;
      edit.focus({ preventScroll: true });
      if (kept && value !== one.text.trim()) act.edit(value);
    }
  }

  return root;
}

/** The number of a speaker's colour, from 1. */
export function voice(speakers, speaker) {
  return (Math.max(0, speakers.indexOf(speaker)) % 8) + 1;
}

function wordsOf(one, marked) {
  if (!one.words) return one.text.trim() || texts.segment.empty;
  return one.words.map((word, number) => {
    const unsure = marked && word.probability < UNSURE;
    const title = unsure ? texts.segment.unsure(Math.round(word.probability * 100)) : null;
    const plain = word.text.trimStart();
    const space = word.text.slice(0, word.text.length - plain.length);
    return [
      number > 0 && space,
      el("span", { class: `word${unsure ? " unsure" : ""}`, title, data: { word: number } }, plain),
    ];
  });
}

function speakerSelect(one, names, speakers, act) {
  const options = speakers.map((label) =>
    el("option", { value: label, selected: label === one.speaker }, names[label] || label),
  );
  const chosen = el(
    "select",
    { class: "speaker", "aria-label": texts.speakers.of(clock(one.start)) },
    el("option", { value: "", selected: !one.speaker }, texts.speakers.nobody),
    options,
    el("option", { value: NEW }, texts.speakers.another),
  );
  chosen.addEventListener("change", () => act.assign(chosen.value === NEW ? act.addSpeaker() : chosen.value));
  return chosen;
}
