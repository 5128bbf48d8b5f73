// How a recording is to be transcribed: a form whose values are remembered.

import { getJson } from "../api.js";
import { el, field, fill, select, tick } from "../dom.js";
import { texts } from "../texts.js";

const KEPT = "whisper-endpoint-options";
const SPOKEN_FIRST = ["en", "es", "fr", "de", "it", "pt", "nl", "pl", "ru", "zh", "ja", "ko", "ar", "hi"];

/** The form; `values()` gives the options of a run. */
export function optionsForm(server) {
  const kept = read();
  const model = select([["", texts.options.defaultModel]], "", { id: "model" });
  const modelField = field(texts.options.model, model);
  const language = languageSelect(server, kept.language || "");
  const translate = tick(texts.options.translate, { id: "translate", checked: Boolean(kept.translate) });
  const words = tick(texts.options.words, { id: "words", checked: kept.words ?? true });
  const speakers = tick(texts.options.speakers, { id: "speakers", checked: Boolean(kept.speakers) });
  const hotwords = el("textarea", { id: "hotwords", rows: 3, maxlength: 2000, value: kept.hotwords || "" });
  const sets = server.vocabularies.map((name) => [
    name,
    tick(name, { checked: (kept.vocabularies || []).includes(name) }),
  ]);
  modelField.hidden = true;
  const root = el(
    "form",
    { class: "card stack options", "aria-label": texts.options.title, on: { change: keep, submit: stop } },
    el("div", { class: "grid" }, field(texts.options.language, language), modelField),
    el("div", { class: "row ticks" }, translate.root, words.root, server.speakers && speakers.root),
    el(
      "details",
      { open: Boolean(kept.hotwords) },
      el("summary", {}, texts.options.vocabulary),
      el(
        "div",
        { class: "stack" },
        field(texts.options.hotwords, hotwords, texts.options.hotwordsHint),
        sets.length > 0 &&
          el(
            "fieldset",
            {},
            el("legend", {}, texts.options.sets),
            el(
              "div",
              { class: "row ticks" },
              sets.map(([, one]) => one.root),
            ),
          ),
      ),
    ),
  );
  loadModels();
  follow();

  function stop(event) {
    event.preventDefault();
  }

  /** A translation has no times of words. */
  function follow() {
    words.input.disabled = translate.input.checked;
  }

  function keep() {
    follow();
    localStorage.setItem(KEPT, JSON.stringify(values()));
  }

  async function loadModels() {
    try {
      const { data } = await getJson("/v1/models");
      fill(
        model,
        data.map(({ id }) => el("option", { value: id, selected: id === kept.model }, id)),
      );
      modelField.hidden = data.length < 2;
    } catch {
      modelField.hidden = true; // the server then takes its default
    }
  }

  function values() {
    return {
      model: model.value,
      language: language.value,
      translate: translate.input.checked,
      words: words.input.checked,
      speakers: server.speakers && speakers.input.checked,
      hotwords: hotwords.value.trim().replace(/\s*\n\s*/g, ", "),
      vocabularies: sets.filter(([, one]) => one.input.checked).map(([name]) => name),
    };
  }

  return { root, values };
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) || {};
  } catch {
    return {};
  }
}

function languageSelect(server, chosen) {
  const name = (code) => titled(server.languages[code]);
  const known = Object.keys(server.languages);
  const first = SPOKEN_FIRST.filter((code) => known.includes(code));
  const rest = known.filter((code) => !first.includes(code)).sort((a, b) => name(a).localeCompare(name(b)));
  const option = (code) => el("option", { value: code, selected: code === chosen }, name(code));
  return el(
    "select",
    { id: "language" },
    el("option", { value: "", selected: !chosen }, texts.options.detect),
    el("option", { value: "multi", selected: chosen === "multi" }, texts.options.several),
    el("optgroup", { label: texts.options.common }, first.map(option)),
    el("optgroup", { label: texts.options.others }, rest.map(option)),
  );
}

/** A name of the server's, which writes them in lower case. */
export function titled(name) {
  return (name || "").replace(/(^|\s)\p{L}/gu, (letter) => letter.toUpperCase());
}
