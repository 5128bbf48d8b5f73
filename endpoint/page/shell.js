// What every view stands in: the bar with the menu, the main part, and the region that screen readers listen to.

import { button, el, fill, icon } from "./dom.js";
import { texts } from "./texts.js";

const THEME = "whisper-endpoint-theme";
// An entry of the menu: name of texts.nav, address, and the scope that it needs.
const MENU = [
  { name: "transcribe", path: "/transcribe" },
  { name: "operate", path: "/operate", scope: "admin" },
];

export class Shell {
  constructor(server, { signOut }) {
    this._server = server;
    this._status = el("div", { class: "unseen", role: "status", "aria-live": "polite" });
    this._menu = el("nav", { "aria-label": texts.nav.label });
    this._out = button(texts.shell.signOut, { symbol: "out", quiet: true, on: { click: signOut }, hidden: true });
    this.main = el("main", { id: "main", tabindex: "-1" });
    const skip = el(
      "a",
      { class: "skip", href: "#main", on: { click: (event) => this._skip(event) } },
      texts.shell.skip,
    );
    const bar = el(
      "header",
      { class: "bar" },
      el("a", { class: "brand", href: "#/transcribe" }, mark(), el("span", {}, texts.shell.name)),
      this._menu,
      el("div", { class: "bar-end" }, themeButton(), this._out),
    );
    document.body.append(skip, bar, this.main, this._status);
  }

  /** The menu, for who is signed in; null for nobody. */
  showCaller(caller) {
    this._out.hidden = !caller || !this._server.keys;
    const entries = caller ? MENU.filter((entry) => !entry.scope || caller.scopes.includes(entry.scope)) : [];
    fill(
      this._menu,
      entries.length > 1 &&
        entries.map((entry) => el("a", { href: `#${entry.path}`, data: { name: entry.name } }, texts.nav[entry.name])),
    );
  }

  /** Lights the entry of the menu where one is. */
  light(name) {
    for (const link of this._menu.querySelectorAll("a")) {
      if (link.dataset.name === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  /** Has screen readers read a text, once they are done with what they read. */
  announce(text) {
    this._status.textContent = "";
    window.setTimeout(() => {
      this._status.textContent = text;
    }, 50);
  }

  /** Screen readers begin at the heading of a new view. */
  focusHeading() {
    const heading = this.main.querySelector("h1") || this.main;
    heading.setAttribute("tabindex", "-1");
    heading.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }

  _skip(event) {
    event.preventDefault();
    this.focusHeading();
  }
}

function mark() {
  const bars = [6, 14, 9, 4].map((height) => el("i", { style: { "--h": `${height}px` } }));
  return el("span", { class: "mark", "aria-hidden": "true" }, bars);
}

function themeButton() {
  const root = document.documentElement;
  root.dataset.theme = localStorage.getItem(THEME) || "";
  const dark = () =>
    (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const made = button(texts.shell.theme, { quiet: true, symbol: "sun", on: { click: change } });

  function change() {
    root.dataset.theme = dark() ? "light" : "dark";
    localStorage.setItem(THEME, root.dataset.theme);
    draw();
  }

  function draw() {
    fill(made, icon(dark() ? "sun" : "moon"));
    const text = dark() ? texts.shell.toLight : texts.shell.toDark;
    made.setAttribute("aria-label", text);
    made.title = text;
  }

  draw();
  return made;
}
