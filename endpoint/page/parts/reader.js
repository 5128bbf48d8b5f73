// The words of a transcript as a list that follows the recording: the one being spoken is lit.

import { el, state } from "../dom.js";
import { texts } from "../texts.js";
import { segmentAt, wordAt } from "../transcript.js";
import { VirtualList } from "../virtual.js";
import { segmentRow } from "./segment.js";

const LINE = 28; // pixels of a line, about
const HEAD = 44; // of what stands above and around the words
const FOUND_MS = 2000;
const IDLE_MS = 4000; // after somebody scrolls, the list follows the recording again

export class Reader {
  constructor({ edited, player, act }) {
    Object.assign(this, { edited, player, act, marked: true, lit: { number: -1, word: -1 }, scrolled: -Infinity });
    this.scroller = el("div", { class: "reader", tabindex: "0", role: "region", "aria-label": texts.transcript.text });
    this.none = el("div", { hidden: true }, state(texts.transcript.empty, texts.transcript.emptyAbout));
    this.root = el("div", { class: "reader-box" }, this.scroller, this.none);
    this.list = new VirtualList(this.scroller, {
      render: (number) => this.#row(number),
      estimate: (number) => this.#guess(number),
    });
    for (const event of ["wheel", "touchmove", "keydown"]) {
      this.scroller.addEventListener(
        event,
        () => {
          this.scrolled = performance.now();
        },
        { passive: true },
      );
    }
    this.moved = ({ detail }) => this.#follow(detail);
    player.addEventListener("time", this.moved);
  }

  /** Draws what is in view anew. */
  draw() {
    const count = this.edited.segments.length;
    const focused = document.activeElement?.closest?.(".segment")?.rowNumber;
    const what = document.activeElement?.className;
    this.scroller.hidden = !count;
    this.root.classList.toggle("with-speakers", this.act.speakers().length > 0);
    this.none.hidden = count > 0;
    this.list.reset(count);
    this.lit = { number: -1, word: -1 };
    this.#light(this.player.at);
    if (focused !== undefined) this.#refocus(focused, what);
  }

  #refocus(number, what) {
    const row = this.list.row(number);
    const same = what && [...(row?.querySelectorAll("button, select") || [])].find((one) => one.className === what);
    (same || row?.querySelector("button"))?.focus({ preventScroll: true });
  }

  /** Brings what was found into view, and marks it. */
  reveal({ index, at, length }) {
    this.scrolled = performance.now();
    this.list.show(index);
    const row = this.list.row(index);
    if (!row) return;
    row.classList.add("found");
    setTimeout(() => row.classList.remove("found"), FOUND_MS);
    const begin = this.edited.segments[index].text.search(/\S/); // of what the row shows
    const range = rangeOf(row.querySelector(".words"), at - begin, length);
    if (range && window.Highlight) CSS.highlights.set("found", new Highlight(range));
  }

  /** Opens the segment that is being spoken for correction. */
  editCurrent() {
    const number = Math.max(0, segmentAt(this.edited.segments, this.player.at));
    if (!this.list.visible(number)) this.list.show(number);
    this.list.row(number)?.begin();
  }

  end() {
    window.CSS?.highlights?.delete("found");
    this.player.removeEventListener("time", this.moved);
    this.list.end();
  }

  #row(number) {
    const one = this.edited.segments[number];
    const act = {
      ...this.act,
      edit: (value) => this.act.edit(number, value),
      assign: (label) => this.act.assign(number, label),
    };
    const row = segmentRow(one, {
      previous: this.edited.segments[number - 1],
      names: this.edited.names,
      speakers: this.act.speakers(),
      marked: this.marked,
      act,
    });
    if (number === this.lit.number) this.#mark(row, this.lit.word, true);
    return row;
  }

  #guess(number) {
    const width = Math.max(280, this.scroller.clientWidth - 140);
    const lines = Math.ceil((this.edited.segments[number].text.length * 8.5) / width);
    return HEAD + Math.max(1, lines) * LINE;
  }

  #follow(time) {
    const before = this.lit.number;
    this.#light(time);
    const { number } = this.lit;
    if (!this.player.playing || number < 0 || number === before) return;
    const reading = performance.now() - this.scrolled < IDLE_MS || this.scroller.querySelector("textarea");
    if (!reading && !this.list.visible(number)) this.list.show(number);
  }

  #light(time) {
    const number = segmentAt(this.edited.segments, time);
    const word = number < 0 ? -1 : wordAt(this.edited.segments[number].words, time);
    if (number === this.lit.number && word === this.lit.word) return;
    this.#mark(this.list.row(this.lit.number), this.lit.word, false);
    this.lit = { number, word };
    this.#mark(this.list.row(number), word, true);
  }

  #mark(row, word, on) {
    if (!row) return;
    row.classList.toggle("spoken", on);
    row.querySelector(`[data-word="${word}"]`)?.classList.toggle("lit", on);
  }
}

/** The range of some characters of an element's text; null where it has fewer. */
function rangeOf(element, at, length) {
  const range = document.createRange();
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let before = 0;
  let begun = false;
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const after = before + node.data.length;
    if (!begun && at < after) range.setStart(node, Math.max(0, at - before));
    begun ||= at < after;
    if (begun && at + length <= after) {
      range.setEnd(node, at + length - before);
      return range;
    }
    before = after;
  }
  return null;
}
