// Find and replace, over the whole transcript.

import { button, el, field, fill, tick } from "../dom.js";
import { find, replaced } from "../edits.js";
import { texts } from "../texts.js";

/** The panel. show(match): brings what was found into view. */
export function findPanel({ edited, show, announce }) {
  const wanted = el("input", { type: "search", id: "find", autocomplete: "off" });
  const instead = el("input", { id: "replace", autocomplete: "off" });
  const exact = tick(texts.find.exact);
  const count = el("p", { class: "hint", role: "status" });
  const next = button(texts.find.next, { kind: "small", type: "submit" });
  const previous = button(texts.find.previous, { kind: "small", on: { click: () => step(-1) } });
  const one = button(texts.find.replace, { kind: "small", on: { click: replaceOne } });
  const all = button(texts.find.replaceAll, { kind: "small", on: { click: replaceAll } });
  const root = el(
    "form",
    {
      class: "stack",
      on: {
        submit: (event) => {
          event.preventDefault();
          step(1);
        },
      },
    },
    field(texts.find.find, wanted),
    el("div", { class: "row" }, previous, next, exact.root),
    count,
    field(texts.find.instead, instead),
    el("div", { class: "row" }, one, all),
  );
  let [matches, at] = [[], -1];

  wanted.addEventListener("input", () => {
    at = -1;
    search();
  });
  exact.input.addEventListener("change", () => {
    at = -1;
    search();
  });
  edited.changes.addEventListener("change", search);
  search();

  function search() {
    matches = find(edited.segments, wanted.value, { exact: exact.input.checked });
    at = Math.min(at, matches.length - 1);
    for (const control of [next, previous, one, all]) control.disabled = !matches.length;
    draw();
  }

  function draw() {
    fill(
      count,
      wanted.value && (at >= 0 ? texts.find.position(at + 1, matches.length) : texts.find.count(matches.length)),
    );
  }

  function step(by) {
    if (!matches.length) return;
    at = (at + by + matches.length) % matches.length;
    draw();
    show(matches[at]);
  }

  function replaceOne() {
    if (at < 0) {
      step(1);
      return;
    }
    const match = matches[at];
    edited.set([[match.index, replaced(edited.segments[match.index], [match], instead.value)]], texts.edits.replace(1));
    search();
    if (matches.length) show(matches[Math.max(0, at)]);
  }

  function replaceAll() {
    const number = matches.length;
    const rows = new Map();
    for (const match of matches) rows.set(match.index, [...(rows.get(match.index) || []), match]);
    edited.set(
      [...rows].map(([index, found]) => [index, replaced(edited.segments[index], found, instead.value)]),
      texts.edits.replace(number),
    );
    announce(texts.edits.replace(number));
  }

  return {
    root,
    focus: () => {
      wanted.focus();
      wanted.select();
    },
  };
}
