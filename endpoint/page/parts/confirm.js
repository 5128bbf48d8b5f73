// Dialogs: asking before something cannot be undone, and panels that lie over the page.

import { button, el } from "../dom.js";
import { texts } from "../texts.js";

/** A dialog over the page. It is gone from the document once it is closed. */
export function dialog(title, ...content) {
  const heading = el("h2", { id: `dialog-${Date.now()}` }, title);
  const close = button(texts.shell.close, {
    symbol: "close",
    quiet: true,
    class: "button quiet end",
    on: { click: () => root.close() },
  });
  const root = el(
    "dialog",
    { "aria-labelledby": heading.id },
    el("div", { class: "stack" }, el("div", { class: "row" }, heading, close), content),
  );
  root.addEventListener("close", () => root.remove());
  document.body.append(root);
  root.showModal();
  return root;
}

/** Asks; resolves to whether it is wanted. */
export function confirmed(title, about, action) {
  return new Promise((resolve) => {
    const yes = button(action, {
      kind: "danger",
      on: {
        click: () => {
          root.returnValue = "yes";
          root.close("yes");
        },
      },
    });
    const no = button(texts.shell.cancel, { on: { click: () => root.close() } });
    const root = dialog(title, el("p", {}, about), el("div", { class: "row" }, yes, no));
    root.addEventListener("close", () => resolve(root.returnValue === "yes"));
    no.focus();
  });
}
