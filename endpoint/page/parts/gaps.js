// Speech that has no text: listed, playable, and decoded again alone.

import { apiError, postForm, readable } from "../api.js";
import { button, el, fill } from "../dom.js";
import { texts } from "../texts.js";
import { clock, segmentsOf } from "../transcript.js";

const AROUND = 0.3; // seconds before and after a stretch that are decoded with it

/** The panel; `draw()` after every change. sound(): the recording, or null. */
export function gapsPanel({ edited, item, player, sound, announce }) {
  const root = el("div", { class: "stack" });

  function draw() {
    if (!edited.gaps.length) {
      const whole = item.coverage !== null && item.coverage !== undefined;
      fill(root, el("p", { class: "hint" }, whole ? texts.gaps.none : texts.gaps.unknown));
      return;
    }
    fill(root, el("p", { class: "hint" }, texts.gaps.about), el("ul", { class: "gaps" }, edited.gaps.map(rowOf)));
  }

  function rowOf(gap) {
    const range = `${clock(gap.start)} – ${clock(gap.end)}`;
    const problem = el("p", { class: "problem", role: "alert" });
    const again = button(texts.gaps.again, {
      kind: "small",
      "aria-label": texts.gaps.againAt(range),
      on: { click: () => decode(gap, again, problem) },
    });
    const play = button(texts.gaps.play(range), {
      symbol: "play",
      quiet: true,
      on: { click: () => player.play(Math.max(0, gap.start - AROUND), gap.end + AROUND) },
    });
    const dismiss = button(texts.gaps.dismiss(range), {
      symbol: "close",
      quiet: true,
      on: { click: () => edited.dismiss(gap, texts.edits.dismiss(range)) },
    });
    return el(
      "li",
      {},
      el(
        "div",
        { class: "row" },
        play,
        el("span", { class: "numbers" }, range),
        el("span", { class: "row end" }, again, dismiss),
      ),
      problem,
    );
  }

  async function decode(gap, control, problem) {
    control.disabled = true;
    fill(problem);
    try {
      const found = await decoded(gap);
      if (!found.length) {
        fill(problem, texts.gaps.nothing);
        announce(texts.gaps.nothing);
        return;
      }
      edited.insert(found, gap, texts.edits.insert(clock(gap.start)));
      announce(texts.gaps.found);
    } catch (error) {
      fill(problem, readable(error));
    } finally {
      control.disabled = false;
    }
  }

  async function decoded(gap) {
    const form = new FormData();
    form.append("response_format", "verbose_json");
    form.append("start", String(Math.max(0, gap.start - AROUND)));
    form.append("end", String(gap.end + AROUND));
    form.append("chunking_strategy", "none"); // voice activity may be why nothing was found
    const { model, hotwords, words, translate } = item.options;
    const language = item.options.language || (translate ? "" : item.language); // a second is too short to detect it
    for (const [name, value] of Object.entries({ model, language, hotwords })) if (value) form.append(name, value);
    if (words && !translate) for (const one of ["segment", "word"]) form.append("timestamp_granularities[]", one);
    const blob = sound();
    if (blob) form.append("file", blob, "recording");
    else if (item.url) form.append("url", item.url);
    else throw new Error(texts.work.noSound);
    const body = await postForm(`/v1/audio/${translate ? "translations" : "transcriptions"}`, form);
    if (!body) throw apiError(500, null);
    return segmentsOf(body).filter((one) => one.text.trim());
  }

  return { root, draw };
}
