// Transcribe: from a recording to its text, which appears as it settles.

import { postForm, readable } from "../api.js";
import { el, field, fill } from "../dom.js";
import { texts } from "../texts.js";

export function view(root, context) {
  const ended = new AbortController();
  const input = el("input", { type: "file", accept: "audio/*,video/*" });
  const output = el("p", { "aria-live": "polite" });
  const problem = el("p", { class: "problem", role: "alert" });
  input.addEventListener("change", () => run(input.files[0]));
  context.setTitle(texts.transcribe.title);
  fill(root, el("header", {}, el("h1", {}, texts.transcribe.title)),
    el("div", { class: "card stack" }, field(texts.transcribe.file, input), problem, output));

  async function run(file) {
    const form = new FormData();
    form.append("stream", "true");
    form.append("file", file);
    fill(output);
    fill(problem);
    try {
      const onEvent = ({ data }) => data.delta && output.append(data.delta);
      await postForm("/v1/audio/transcriptions", form, { onEvent, signal: ended.signal });
    } catch (error) {
      if (!ended.signal.aborted) fill(problem, readable(error));
    }
  }

  return () => ended.abort();
}
