// What the operators' views share: heading and menu, polling, questions, numbers as people read them.

import { readable } from "../api.js";
import { button, el, fill } from "../dom.js";
import { operate } from "../texts_operate.js";

const words = operate;
const times = new Intl.DateTimeFormat("en", { timeStyle: "short" });
const moments = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

/** The views that this server has, by their names in addresses. */
export function viewsOf(server) {
  return [
    ["jobs", server.jobs],
    ["keys", server.managesKeys],
    ["usage", server.usage],
    ["health", true],
  ].filter(([, there]) => there).map(([name]) => name);
}

/** Heading, menu and an empty body. problem: where errors are shown. name: of the view. */
export function frame(root, context, name, ...actions) {
  const problem = el("p", { class: "problem", role: "alert" });
  const body = el("div", { class: "stack" });
  const links = viewsOf(context.server).map((one) =>
    el("a", { href: `#/operate/${one}`, "aria-current": one === name && "page" }, words.views[one]));
  context.setTitle(words.titles[name]);
  fill(root,
    el("header", { class: "operate-head" },
      el("div", {}, el("h1", {}, words.titles[name]), el("p", {}, words.abouts[name])),
      el("div", { class: "row" }, actions)),
    el("nav", { class: "tabs", "aria-label": words.menu }, links), problem, body);
  return { problem, body };
}

/** Shows an error until something goes well; a text that stands there already is not read again. */
export function report(problem, error) {
  const text = error ? readable(error) : "";
  if (problem.textContent !== text) fill(problem, text || null);
}

/** Does `work(signal)` now and every so many seconds, while the tab is seen. What it throws is shown in `problem`. */
export function poll(work, seconds, problem) {
  const ended = new AbortController();
  let timer = 0;
  let running = false;
  let again = false;

  async function turn() {
    clearTimeout(timer);
    again = running;
    if (running) return;
    running = true;
    try {
      if (!document.hidden) {
        await work(ended.signal);
        report(problem, null);
      }
    } catch (error) {
      if (!ended.signal.aborted) report(problem, error);
    }
    running = false;
    if (!ended.signal.aborted) timer = setTimeout(turn, again ? 0 : seconds * 1000);
  }

  const seen = () => document.hidden || turn();
  document.addEventListener("visibilitychange", seen);
  turn();
  return {
    now: turn,
    stop() {
      ended.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    },
  };
}

let asked = 0;

/** A question in a dialog. content: more of it. Resolves to whether `action` was chosen. */
export function ask({ title, about, action, kind = "primary", content = [], cancel = words.cancel }) {
  const heading = el("h2", { id: `ask-${++asked}` }, title);
  const end = (chosen) => dialog.close(chosen ? "yes" : "");
  const form = el("form", { on: { submit: (event) => { event.preventDefault(); end(true); } } },
    heading, about && el("p", {}, about), content,
    el("div", { class: "row dialog-end" },
      cancel && button(cancel, { on: { click: () => end(false) } }),
      button(action, { kind, type: "submit" })));
  const dialog = el("dialog", { "aria-labelledby": heading.id }, form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    dialog.showModal();
  });
}

/** Puts the roots of rows into a list in this order. Those that stay are not moved, so that they keep the focus. */
export function arrange(list, rows) {
  const kept = new Set(rows.map((row) => row.root));
  for (const child of [...list.children]) if (!kept.has(child)) child.remove();
  rows.forEach((row, index) => {
    if (list.children[index] !== row.root) list.insertBefore(row.root, list.children[index] ?? null);
  });
}

/** Unix seconds as date and time; of today as time. */
export function moment(seconds) {
  const when = new Date(seconds * 1000);
  const today = when.toDateString() === new Date().toDateString();
  return today ? times.format(when) : moments.format(when);
}

/** Seconds of audio as a clock: 0:07, 12:30, 4:00:00. */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, "0"));
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${parts.join(":")}` : `${Number(parts[0])}:${parts[1]}`;
}

/** Seconds as one number with a unit: 42 s, 7.5 min, 12.3 h. */
export function span(seconds) {
  if (seconds < 60) return words.seconds(trimmed(seconds));
  return seconds < 3600 ? words.minutes(trimmed(seconds / 60)) : words.hours(trimmed(seconds / 3600));
}

function trimmed(value) {
  return value >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toFixed(1)));
}
