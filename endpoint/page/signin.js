// Signing in: a key, kept for as long as the tab is open.

import { getJson, readable, useKey } from "./api.js";
import { button, el, field, fill } from "./dom.js";
import { texts } from "./texts.js";

/** Asks for a key until the server takes one; then calls `done`. */
export function signIn(root, { done }) {
  const input = el("input", {
    type: "password",
    autocomplete: "current-password",
    spellcheck: "false",
    required: true,
  });
  const problem = el("p", { class: "problem", role: "alert" });
  const submit = button(texts.signin.submit, { kind: "primary", type: "submit" });
  const form = el(
    "form",
    {
      class: "card signin",
      on: {
        submit: (event) => {
          event.preventDefault();
          check();
        },
      },
    },
    el("h1", { tabindex: "-1" }, texts.signin.title),
    el("p", {}, texts.signin.about),
    field(texts.signin.key, input, texts.signin.hint),
    problem,
    submit,
  );

  async function check() {
    submit.disabled = true;
    fill(problem);
    useKey(input.value.trim());
    try {
      await getJson("/v1/caller");
      done();
    } catch (error) {
      useKey("");
      fill(problem, error.status === 401 ? texts.signin.refused : readable(error));
      input.focus();
    } finally {
      submit.disabled = false;
    }
  }

  fill(root, form);
  document.title = `${texts.signin.title} · ${texts.shell.name}`;
  input.focus();
}
