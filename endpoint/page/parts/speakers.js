// The speakers of a transcript: their names, their colours, and two that are one.

import { button, el, fill, select } from "../dom.js";
import { texts } from "../texts.js";
import { voice } from "./segment.js";

/** The panel; `draw()` after every change. edited: an Edited. speakers(): labels in order. */
export function speakersPanel({ edited, speakers, addByHand, announce }) {
  const root = el("div", { class: "stack" });
  const nameOf = (label) => edited.names[label] || label;

  function draw() {
    const labels = speakers();
    if (root.contains(document.activeElement) && document.activeElement.matches("input")) return;
    if (!labels.length) {
      fill(
        root,
        el("p", { class: "hint" }, texts.speakers.none),
        button(texts.speakers.byHand, { symbol: "people", kind: "small", on: { click: addByHand } }),
      );
      return;
    }
    fill(
      root,
      labels.map((label) => rowOf(label, labels)),
    );
  }

  function rowOf(label, labels) {
    const input = el("input", {
      value: nameOf(label),
      maxlength: 80,
      "aria-label": texts.speakers.name(nameOf(label)),
      class: "speaker-name",
    });
    input.addEventListener("change", () => {
      const name = input.value.trim() || label;
      if (name !== nameOf(label)) edited.rename(label, name, texts.edits.rename(name));
    });
    const others = labels.filter((one) => one !== label);
    const merge = select([["", texts.speakers.merge], ...others.map((one) => [one, nameOf(one)])], "", {
      "aria-label": texts.speakers.mergeOf(nameOf(label)),
      class: "speaker-merge",
    });
    merge.addEventListener("change", () => {
      if (!merge.value) return;
      const text = texts.speakers.merged(nameOf(label), nameOf(merge.value));
      edited.merge(label, merge.value, text);
      announce(text);
    });
    return el(
      "div",
      { class: `speaker-row voice-${voice(labels, label)}` },
      el("span", { class: "dot", "aria-hidden": "true" }),
      input,
      others.length > 0 && merge,
    );
  }

  return { root, draw };
}
