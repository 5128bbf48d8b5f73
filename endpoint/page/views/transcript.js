// Read and correct one transcript: the recording, its words as they are spoken, and every correction of them.

import { button, el, fill, state, waiting } from "../dom.js";
import { Edited, speakersOf, withText } from "../edits.js";
import { lengthOf } from "../media.js";
import { findPanel } from "../parts/find.js";
import { gapsPanel } from "../parts/gaps.js";
import { listenToKeys, showKeys } from "../parts/keys.js";
import { askToThrow, facts, progressOf } from "../parts/library.js";
import { Player } from "../parts/player.js";
import { Reader } from "../parts/reader.js";
import { speakersPanel } from "../parts/speakers.js";
import { takeAway } from "../parts/takeaway.js";
import { changeItem, getItem, getSound, getText, putSound, putText } from "../store.js";
import { texts } from "../texts.js";
import { opening, work } from "../work.js";

const SAVE_MS = 400;

export function view(root, context) {
  const ended = new AbortController();
  root.classList.add("transcript-view");
  fill(root, el("h1", { class: "unseen" }, texts.transcript.title), waiting(texts.shell.loading));
  show(root, context, ended.signal);
  return () => ended.abort();
}

async function show(root, context, signal) {
  const { id } = context.params;
  const item = await getItem(id);
  if (signal.aborted) return;
  const back = el("a", { href: "#/transcribe" }, texts.transcript.back);
  if (!item) {
    fill(
      root,
      el("h1", { tabindex: "-1" }, texts.transcript.title),
      state(texts.transcript.gone, texts.transcript.goneAbout, back),
    );
    return;
  }
  context.setTitle(item.name);
  if (item.status === "working" && work.runs.has(id)) {
    showProgress(root, context, item, signal);
    return;
  }
  const [text, sound] = await Promise.all([getText(id), getSound(id)]);
  if (signal.aborted) return;
  if (!text)
    fill(
      root,
      el("h1", { tabindex: "-1" }, item.name),
      state(texts.transcript.none, item.problem || texts.transcript.noneAbout, back),
    );
  else new Desk(root, context, { item, text, sound: sound || null }, signal);
}

function showProgress(root, context, item, signal) {
  const card = el("div", { class: "card stack" });
  const cancel = button(texts.library.cancel, { on: { click: () => work.cancel(item.id) } });
  const update = progressOf(card, context.announce);
  fill(
    root,
    el("header", {}, el("h1", { tabindex: "-1" }, item.name), el("p", {}, texts.transcript.working)),
    card,
    el("p", { class: "row" }, cancel),
  );
  root.classList.remove("transcript-view");
  work.addEventListener(
    "change",
    ({ detail: run }) => {
      if (run.id !== item.id) return;
      update(run);
      if (["done", "failed", "cancelled"].includes(run.state)) {
        root.classList.add("transcript-view");
        show(root, context, signal);
      }
    },
    { signal },
  );
  update(work.runs.get(item.id));
}

/** The view of a transcript that is done. */
class Desk {
  constructor(root, context, { item, text, sound }, signal) {
    Object.assign(this, { root, context, item, text, sound, signal, added: [], saving: 0 });
    this.edited = new Edited(text.segments, text.names, text.uncovered);
    this.player = new Player({ duration: item.duration || text.duration, peaks: text.peaks, name: item.name });
    const act = {
      play: (time) => this.player.play(time),
      speakers: () => this.speakers(),
      addSpeaker: () => this.addSpeaker(),
      edit: (number, value) => this.edit(number, value),
      assign: (number, label) => this.assign(number, label),
    };
    this.reader = new Reader({ edited: this.edited, player: this.player, act });
    this.#build();
    this.player.use(sound, this.#chooser());
    this.#listen();
    context.announce(texts.transcript.ready);
  }

  #build() {
    const { edited, player, item } = this;
    const { announce } = this.context;
    const parts = { edited, item, player, announce };
    this.speakersPanel = speakersPanel({
      ...parts,
      speakers: () => this.speakers(),
      addByHand: () => {
        this.addSpeaker();
        this.#draw();
      },
    });
    this.gapsPanel = gapsPanel({ ...parts, sound: () => this.sound });
    this.findPanel = findPanel({ ...parts, show: (match) => this.reader.reveal(match) });
    const tool = (text, symbol, run) => button(text, { symbol, quiet: true, on: { click: run } });
    this.undo = tool(texts.transcript.undo, "undo", () => this.#walk("undo"));
    this.redo = tool(texts.transcript.redo, "redo", () => this.#walk("redo"));
    this.unsure = button(texts.transcript.unsure, {
      kind: "ghost small",
      "aria-pressed": "true",
      on: { click: () => this.#mark() },
    });
    this.panels = button(texts.transcript.panels, {
      symbol: "more",
      quiet: true,
      class: "button quiet narrow-only",
      "aria-expanded": "false",
      on: { click: () => this.#togglePanels() },
    });
    this.unsure.hidden = !edited.segments.some((one) => one.words);
    const head = el(
      "header",
      { class: "transcript-head" },
      el("div", { class: "titles" }, this.#title(), el("p", { class: "hint numbers" }, facts(item))),
      el(
        "div",
        { class: "row tools" },
        this.undo,
        this.redo,
        this.unsure,
        button(texts.keys.title, {
          symbol: "keyboard",
          quiet: true,
          class: "button quiet keys-button",
          on: { click: showKeys },
        }),
        tool(texts.library.throwNamed(item.name), "trash", () => this.#throwAway()),
        this.panels,
        button(texts.take.title, { symbol: "download", kind: "primary", on: { click: () => this.#take() } }),
      ),
    );
    this.side = el(
      "aside",
      { class: "side", "aria-label": texts.transcript.side },
      panel(texts.find.title, this.findPanel.root, false),
      panel(texts.speakers.title, this.speakersPanel.root, true),
      panel(texts.gaps.title, this.gapsPanel.root, edited.gaps.length > 0),
      this.text.warnings?.length > 0 &&
        panel(
          texts.transcript.warnings,
          el(
            "ul",
            { class: "stack" },
            this.text.warnings.map((one) => el("li", { class: "note" }, one)),
          ),
          true,
        ),
    );
    fill(this.root, head, el("div", { class: "desk" }, this.reader.root, this.side), player.root);
    this.#draw();
    this.reader.draw();
  }

  #title() {
    const input = el("input", {
      class: "title",
      value: this.item.name,
      "aria-label": texts.transcript.name,
      maxlength: 200,
    });
    input.addEventListener("change", async () => {
      const name = input.value.trim() || this.item.name;
      input.value = name;
      this.item = (await changeItem(this.item.id, { name })) || this.item;
      heading.textContent = name;
      this.context.setTitle(name);
    });
    const heading = el("h1", { class: "unseen", tabindex: "-1" }, this.item.name);
    return [heading, input];
  }

  #chooser() {
    const input = el("input", {
      type: "file",
      class: "unseen",
      tabindex: "-1",
      accept: "audio/*,video/*",
      "aria-label": texts.player.choose,
    });
    input.addEventListener("change", async () => {
      const [file] = input.files;
      const length = await lengthOf(file);
      if (length && this.item.duration && Math.abs(length - this.item.duration) > 2)
        this.context.announce(texts.player.other);
      this.sound = file;
      this.player.use(file, null);
      const kept = await putSound(this.item.id, file);
      this.item = (await changeItem(this.item.id, { kept, type: file.type })) || this.item;
    });
    return [input, button(texts.player.choose, { symbol: "file", kind: "small", on: { click: () => input.click() } })];
  }

  #listen() {
    const { signal } = this;
    this.edited.changes.addEventListener(
      "change",
      () => {
        this.#draw();
        this.reader.draw();
        this.#saveSoon();
      },
      { signal },
    );
    listenToKeys(
      {
        player: this.player,
        announce: this.context.announce,
        find: () => this.#find(),
        walk: (way) => this.#walk(way),
        correct: () => this.reader.editCurrent(),
      },
      signal,
    );
    window.addEventListener("pagehide", () => this.#save(), { signal });
    signal.addEventListener("abort", () => {
      this.#save();
      this.player.end();
      this.reader.end();
    });
  }

  #draw() {
    this.undo.disabled = !this.edited.canUndo;
    this.redo.disabled = !this.edited.canRedo;
    this.speakersPanel.draw();
    this.gapsPanel.draw();
  }

  speakers() {
    return [...new Set([...speakersOf(this.edited.segments), ...this.added])];
  }

  addSpeaker() {
    const known = this.speakers();
    let number = known.length + 1;
    while (known.includes(texts.speakers.numbered(number))) number += 1;
    this.added.push(texts.speakers.numbered(number));
    if (!known.length) this.reader.draw();
    return this.added.at(-1);
  }

  edit(number, value) {
    this.edited.set([[number, withText(this.edited.segments[number], value)]], texts.edits.edit);
  }

  assign(number, speaker) {
    this.edited.set([[number, { ...this.edited.segments[number], speaker }]], texts.edits.assign);
  }

  #walk(way) {
    const label = this.edited[way]();
    if (label) this.context.announce(way === "undo" ? texts.edits.undone(label) : texts.edits.redone(label));
  }

  #mark() {
    this.reader.marked = !this.reader.marked;
    this.unsure.setAttribute("aria-pressed", String(this.reader.marked));
    this.reader.draw();
  }

  #togglePanels() {
    const open = this.root.classList.toggle("with-panels");
    this.panels.setAttribute("aria-expanded", String(open));
  }

  #take() {
    takeAway({ item: this.item, edited: this.edited, sound: this.sound, announce: this.context.announce });
  }

  async #throwAway() {
    if (!(await askToThrow(this.item, this.context.announce))) return;
    clearTimeout(this.saving);
    this.thrown = true;
    this.context.navigate("/transcribe");
  }

  #find() {
    this.root.classList.add("with-panels");
    this.findPanel.root.closest("details").open = true;
    this.findPanel.focus();
  }

  #saveSoon() {
    clearTimeout(this.saving);
    this.saving = setTimeout(() => this.#save(), SAVE_MS);
    this.unsaved = true;
  }

  async #save() {
    clearTimeout(this.saving);
    if (!this.unsaved || this.thrown) return;
    this.unsaved = false;
    const { segments, names, gaps } = this.edited;
    await putText({ ...this.text, segments, names, uncovered: gaps });
    await changeItem(this.item.id, { opening: opening(segments.map((one) => one.text).join("")) });
  }
}

function panel(title, content, open) {
  return el("details", { class: "panel", open }, el("summary", {}, title), content);
}
