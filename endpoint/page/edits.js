// Corrections: texts that keep the times of their words, and a history that can be walked back and forth. Pure.

import { segment } from "./transcript.js";

/** A segment with another text. Words before and after what changed keep their times; new ones share the time between,
 * by their lengths. */
export function withText(old, text) {
  if (!text.trim()) return { ...old, text: "", words: old.words && [] };
  const spaced = !/^\s/.test(text) && (!old.text || /^\s/.test(old.text)) ? ` ${text}` : text;
  const words = old.words && changedWords(old, spaced);
  return { ...old, text: spaced, words };
}

function changedWords(old, text) {
  const limit = Math.min(old.text.length, text.length);
  let same = 0;
  while (same < limit && old.text[same] === text[same]) same += 1;
  let tail = 0;
  while (tail < limit && old.text.at(-1 - tail) === text.at(-1 - tail)) tail += 1;
  const [before, after] = [[], []];
  let at = 0;
  for (const word of old.words) {
    const end = at + word.text.length;
    if (end <= same && isBoundary(text, end)) before.push(word);
    else if (at >= old.text.length - tail && isBoundary(old.text, at)) after.push(word);
    at = end;
  }
  const size = (words) => words.reduce((sum, word) => sum + word.text.length, 0);
  while (size(before) + size(after) > text.length) after.shift();
  const middle = text.slice(size(before), text.length - size(after));
  if (!middle.trim()) return joined(before, middle, after);
  const start = before.length ? before.at(-1).end : Math.min(old.start, old.words[0]?.start ?? old.start);
  const end = after.length ? after[0].start : Math.max(old.end, old.words.at(-1)?.end ?? old.end);
  return [...before, ...spread(middle, start, Math.max(start, end)), ...after];
}

/** Words with space between, which becomes a part of the next one, or of the last. */
function joined(before, space, after) {
  const all = [...before, ...after];
  const at = Math.min(before.length, all.length - 1);
  if (!space || at < 0) return all;
  const text = after.length ? space + all[at].text : all[at].text + space;
  return all.with(at, { ...all[at], text });
}

/** Whether a word can end or begin at this place of a text. */
function isBoundary(text, at) {
  return (
    at >= text.length ||
    /\s/.test(text[at]) ||
    !/[\p{L}\p{N}]/u.test(text[at]) ||
    !/[\p{L}\p{N}]/u.test(text[at - 1] || " ")
  );
}

function spread(text, start, end) {
  const pieces = text.match(/\s*\S+/g) || [];
  const rest = text.slice(pieces.join("").length);
  if (pieces.length && rest) pieces[pieces.length - 1] += rest;
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  let at = start;
  return pieces.map((piece) => {
    const from = at;
    at += (end - start) * (piece.length / length);
    return { text: piece, start: round(from), end: round(at), probability: 1 };
  });
}

function round(seconds) {
  return Math.round(seconds * 1000) / 1000;
}

/** Where a text is found in segments, as {index, at, length}. */
export function find(segments, wanted, { exact = false } = {}) {
  if (!wanted) return [];
  const pattern = new RegExp(wanted.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), exact ? "gu" : "giu");
  return segments.flatMap((one, index) =>
    [...one.text.matchAll(pattern)].map((match) => ({ index, at: match.index, length: match[0].length })),
  );
}

/** The segment in which some matches are replaced, from the last to the first. No two spaces are left by what is gone. */
export function replaced(old, matches, text) {
  return [...matches]
    .sort((a, b) => b.at - a.at)
    .reduce((made, { at, length }) => {
      const [before, after] = [made.text.slice(0, at), made.text.slice(at + length)];
      const double = !text && /(^|\s)$/.test(before) && /^\s/.test(after);
      return withText(made, before + text + (double ? after.slice(1) : after));
    }, old);
}

/** Segments, names of speakers and stretches without text, and every change to them since they were opened. */
export class Edited {
  #past = [];
  #future = [];

  constructor(segments, names, gaps) {
    this.segments = segments.map((one) => segment(one));
    this.names = { ...names };
    this.gaps = [...gaps];
    this.changes = new EventTarget(); // "change"; `detail.label` is what was done
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** Replaces segments. rows: [number, segment]. */
  set(rows, label) {
    const next = [...this.segments];
    for (const [number, one] of rows) next[number] = one;
    this.#put({ segments: next }, label);
  }

  /** Puts further segments where their times belong, in the place of a stretch without text. */
  insert(added, gap, label) {
    const next = [...this.segments, ...added].sort((a, b) => a.start - b.start);
    this.#put({ segments: next, gaps: this.gaps.filter((one) => one !== gap) }, label);
  }

  dismiss(gap, label) {
    this.#put({ gaps: this.gaps.filter((one) => one !== gap) }, label);
  }

  rename(speaker, name, label) {
    this.#put({ names: { ...this.names, [speaker]: name } }, label);
  }

  /** What is one speaker's becomes another's. */
  merge(speaker, into, label) {
    const next = this.segments.map((one) => (one.speaker === speaker ? { ...one, speaker: into } : one));
    const names = { ...this.names };
    delete names[speaker];
    this.#put({ segments: next, names }, label);
  }

  undo() {
    return this.#walk(this.#past, this.#future);
  }

  redo() {
    return this.#walk(this.#future, this.#past);
  }

  #put(next, label) {
    this.#past.push({ ...this.#now(), label });
    this.#future.length = 0;
    this.#use({ ...this.#now(), ...next }, label);
  }

  /** One step; returns what was undone or done again, or "" at the end. */
  #walk(from, to) {
    const step = from.pop();
    if (!step) return "";
    to.push({ ...this.#now(), label: step.label });
    this.#use(step, step.label);
    return step.label;
  }

  #now() {
    return { segments: this.segments, names: this.names, gaps: this.gaps };
  }

  #use({ segments, names, gaps }, label) {
    Object.assign(this, { segments, names, gaps });
    this.changes.dispatchEvent(new CustomEvent("change", { detail: { label } }));
  }
}

/** Labels of speakers in order of their first words. */
export function speakersOf(segments) {
  return [...new Set(segments.map((one) => one.speaker).filter(Boolean))];
}
