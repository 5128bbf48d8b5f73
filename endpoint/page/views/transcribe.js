// Transcribe: drop, choose, paste a link or record; then the text, which appears as it settles.

import { readable } from "../api.js";
import { button, el, field, fill, icon } from "../dom.js";
import { library } from "../parts/library.js";
import { optionsForm } from "../parts/options.js";
import { recordPanel } from "../parts/record.js";
import { texts } from "../texts.js";
import { work } from "../work.js";

export function view(root, context) {
  const { server, announce } = context;
  context.setTitle(texts.transcribe.title);
  const options = optionsForm(server);
  const kept = library({ announce });
  const problem = el("div", { class: "stack", role: "alert" });
  const source = el("div", {});
  let recording = null;
  fill(
    root,
    el("header", {}, el("h1", {}, texts.transcribe.title), el("p", {}, texts.transcribe.about)),
    el("div", { class: "columns" }, el("div", { class: "stack" }, source, problem), options.root),
    kept.root,
  );
  showSources();

  function showSources() {
    recording?.end();
    recording = null;
    fill(source, sources({ begin, link, record }));
  }

  async function begin(files) {
    fill(problem);
    const [good, large] = [files.filter((file) => file.size <= limit()), files.filter((file) => file.size > limit())];
    if (large.length) complain(large.map((file) => texts.transcribe.large(file.name, server.maxUploadMb)));
    await start(good.map((file) => ({ file })));
  }

  function limit() {
    return server.maxUploadMb * 1024 * 1024;
  }

  async function link(url) {
    fill(problem);
    await start([{ url }]);
  }

  async function start(all) {
    if (all.length) announce(texts.transcribe.begun(all.length));
    for (const one of all) {
      try {
        await work.begin(one, options.values());
      } catch (error) {
        complain([readable(error)]);
      }
    }
  }

  function complain(lines) {
    problem.append(...lines.map((line) => el("p", { class: "problem" }, line)));
  }

  function record() {
    fill(problem);
    const done = (id) => context.navigate(`/transcript/${id}`);
    recording = recordPanel({ server, options: options.values(), announce, done, closed: showSources });
    fill(source, recording.root);
    recording.focus();
  }

  const dropping = dropAnywhere(root, begin);
  return () => {
    dropping();
    kept.end();
    recording?.end();
  };
}

/** Where recordings come from: files, a link, the microphone. */
function sources({ begin, link, record }) {
  const files = el("input", {
    type: "file",
    multiple: true,
    class: "unseen",
    id: "files",
    accept: "audio/*,video/*,.mkv,.opus,.amr,.caf",
    tabindex: "-1",
    "aria-label": texts.transcribe.choose,
  });
  files.addEventListener("change", () => {
    begin([...files.files]);
    files.value = "";
  });
  const choose = button(texts.transcribe.choose, {
    symbol: "upload",
    kind: "primary",
    on: { click: () => files.click() },
  });
  const address = el("input", {
    type: "url",
    id: "link",
    required: true,
    placeholder: texts.transcribe.linkExample,
    pattern: "https?://.+",
  });
  const form = el(
    "form",
    {
      class: "link-form",
      hidden: true,
      on: {
        submit: (event) => {
          event.preventDefault();
          link(address.value.trim());
          address.value = "";
          form.hidden = true;
          toggle.setAttribute("aria-expanded", "false");
        },
      },
    },
    field(texts.transcribe.link, address, texts.transcribe.linkHint),
    button(texts.transcribe.fetch, { type: "submit", kind: "primary" }),
  );
  const toggle = button(texts.transcribe.pasteLink, {
    symbol: "link",
    "aria-expanded": "false",
    on: {
      click: () => {
        form.hidden = !form.hidden;
        toggle.setAttribute("aria-expanded", String(!form.hidden));
        if (!form.hidden) address.focus();
      },
    },
  });
  const microphone = button(texts.transcribe.record, { symbol: "mic", on: { click: record } });
  return el(
    "section",
    { class: "drop", "aria-label": texts.transcribe.sources },
    el("span", { class: "drop-mark", "aria-hidden": "true" }, icon("upload")),
    el("p", { class: "drop-title" }, texts.transcribe.drop),
    el("p", { class: "hint" }, texts.transcribe.dropHint),
    el("div", { class: "row" }, choose, microphone, toggle),
    files,
    form,
  );
}

/** Recordings can be dropped on the whole window, and pasted. Returns how to end that. */
function dropAnywhere(root, begin) {
  const ended = new AbortController();
  const listen = (name, listener) => window.addEventListener(name, listener, { signal: ended.signal });
  let inside = 0;
  const light = () => root.classList.toggle("dropping", inside > 0);
  const carriesFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  listen("dragenter", (event) => {
    if (carriesFiles(event)) {
      inside += 1;
      light();
    }
  });
  listen("dragleave", (event) => {
    if (carriesFiles(event)) {
      inside = Math.max(0, inside - 1);
      light();
    }
  });
  listen("dragover", (event) => carriesFiles(event) && event.preventDefault());
  listen("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    inside = 0;
    light();
    begin([...event.dataTransfer.files]);
  });
  listen("paste", (event) => {
    const found = [...(event.clipboardData?.files || [])];
    if (found.length) begin(found);
  });
  return () => ended.abort();
}
