// The transcripts of this browser, and what is under way: one row each.

import { readable, request } from "../api.js";
import { button, el, fill, state } from "../dom.js";
import { changes, getText, listItems, throwAway } from "../store.js";
import { texts } from "../texts.js";
import { clock } from "../transcript.js";
import { work } from "../work.js";
import { confirmed } from "./confirm.js";
import { titled } from "./options.js";

const SHOWN = 600; // characters of a text that is under way
const MOST = 100; // rows before the rest is asked for

/** The list and how to end it. */
export function library({ announce }) {
  const list = el("ul", { class: "library" });
  const more = button(texts.library.more, {
    hidden: true,
    on: {
      click: () => {
        most += MOST;
        draw();
      },
    },
  });
  const problem = el("p", { class: "problem", role: "alert" });
  const zipped = button(texts.library.archive, {
    symbol: "download",
    kind: "small",
    hidden: true,
    on: { click: downloadAll },
  });
  const head = el(
    "div",
    { class: "row" },
    el("h2", { id: "library-title" }, texts.library.title),
    el("span", { class: "end" }, zipped),
  );
  const root = el("section", { class: "stack", "aria-labelledby": "library-title" }, head, problem, list, more);
  const rows = new Map(); // id -> {root, update}
  let most = MOST;
  let drawing = Promise.resolve();

  const again = () => {
    drawing = drawing.then(draw, draw);
  };
  const progress = ({ detail: run }) => rows.get(run.id)?.update(run);
  changes.addEventListener("change", again);
  work.addEventListener("change", progress);
  again();

  async function draw() {
    const items = await listItems();
    more.hidden = items.length <= most;
    zipped.hidden = items.filter((item) => item.status === "done").length < 2;
    if (!items.length) {
      rows.clear();
      fill(list, el("li", {}, state(texts.library.none, texts.library.noneAbout)));
      return;
    }
    const shown = items.slice(0, most);
    const known = new Set(shown.map((item) => item.id));
    for (const id of rows.keys()) if (!known.has(id)) rows.delete(id);
    for (const item of shown) {
      const old = rows.get(item.id);
      if (old && same(old.item, item)) continue;
      const made = rowOf(item, announce);
      if (old) old.root.replaceWith(made.root);
      rows.set(item.id, made);
    }
    const wanted = shown.map((item) => rows.get(item.id).root);
    if (wanted.length !== list.children.length || wanted.some((one, k) => list.children[k] !== one)) fill(list, wanted);
  }

  async function downloadAll() {
    zipped.disabled = true;
    fill(problem);
    try {
      const { archive, save } = await import("./takeaway.js");
      const rows = [];
      for (const item of await listItems()) {
        const text = await getText(item.id);
        if (text) rows.push({ item, segments: text.segments, names: text.names });
      }
      save(await archive(rows), texts.library.archiveName);
    } catch (error) {
      fill(problem, readable(error));
    } finally {
      zipped.disabled = false;
    }
  }

  return {
    root,
    end: () => {
      changes.removeEventListener("change", again);
      work.removeEventListener("change", progress);
    },
  };
}

function same(a, b) {
  return ["status", "name", "job", "duration", "language"].every((name) => a[name] === b[name]);
}

function rowOf(item, announce) {
  const underWay = el("div", { class: "stack under-way" });
  const problem = el("p", { class: "problem", role: "alert" }, item.status === "failed" && item.problem);
  const link = el("a", { class: "name", href: `#/transcript/${item.id}` }, item.name);
  const root = el(
    "li",
    { class: "card row-card", data: { status: item.status } },
    el(
      "div",
      { class: "row" },
      el("div", { class: "about" }, link, el("p", { class: "hint numbers" }, facts(item))),
      el("div", { class: "row end" }, actions(item, problem, announce)),
    ),
    item.status === "done" && item.opening && el("p", { class: "opening" }, item.opening),
    underWay,
    problem,
  );
  const update = item.status === "working" ? progressOf(underWay, announce) : () => {};
  const run = work.runs.get(item.id);
  if (run) update(run);
  return { root, item, update };
}

/** What a row says of its transcript: length, language, when. */
export function facts(item) {
  const sure = item.languageProbability ? ` ${texts.library.sure(item.languageProbability)}` : "";
  const language = item.language ? titled(item.language) + sure : "";
  const when = new Date(item.created).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
  const status = item.status === "cancelled" ? texts.library.cancelled : "";
  return [status, item.duration && clock(item.duration), language, when].filter(Boolean).join(" · ");
}

function actions(item, problem, announce) {
  if (item.status === "working") {
    return button(texts.library.cancel, {
      kind: "ghost",
      "aria-label": texts.library.cancelNamed(item.name),
      on: { click: () => work.cancel(item.id) },
    });
  }
  const again = ["failed", "cancelled"].includes(item.status) && (item.kind === "url" || item.kept);
  return [
    again &&
      button(texts.library.again, {
        symbol: "retry",
        on: { click: () => work.again(item).catch((error) => fill(problem, readable(error))) },
      }),
    button(texts.library.throwNamed(item.name), {
      symbol: "trash",
      quiet: true,
      on: { click: () => askToThrow(item, announce) },
    }),
  ];
}

/** Throws a transcript away, if that is wanted. Returns whether it is gone. */
export async function askToThrow(item, announce) {
  const about = [item.kept ? texts.library.throwSound : texts.library.throwText, item.job && texts.library.throwJob];
  if (
    !(await confirmed(texts.library.throwTitle(item.name), about.filter(Boolean).join(" "), texts.library.throwAction))
  )
    return false;
  if (item.job) await request(`/v1/audio/jobs/${item.job}`, { method: "DELETE" }).catch(() => {}); // it may be gone
  await throwAway(item.id);
  announce(texts.library.thrown(item.name));
  return true;
}

/** Draws how far a run is. Returns what to call with the run. */
export function progressOf(root, announce) {
  const bar = el("progress", { max: 1, "aria-label": texts.work.progress });
  const about = el("p", { class: "hint numbers" });
  const text = el("div", {
    class: "settling",
    hidden: true,
    tabindex: 0,
    role: "region",
    "aria-label": texts.work.text,
  });
  let [count, last] = [0, ""];
  fill(root, bar, about, text);

  return (run) => {
    if (run.share === null) bar.removeAttribute("value");
    else bar.value = run.share;
    const status = stateOf(run);
    fill(about, [status, amount(run)].filter(Boolean).join(" · "));
    if (run.segments.length !== count) {
      count = run.segments.length;
      text.hidden = false;
      fill(
        text,
        run.segments
          .slice(-40)
          .map((one) => one.text)
          .join("")
          .trim()
          .slice(-SHOWN),
      );
      text.scrollTop = text.scrollHeight;
    }
    if (status !== last && ["working", "done", "failed"].includes(run.state)) announce(`${run.item.name}: ${status}`);
    last = status;
  };
}

function stateOf(run) {
  if (run.item.job && run.state === "working") return run.seconds ? texts.work.jobWorking : texts.work.jobWaiting;
  return texts.work.states[run.state];
}

function amount(run) {
  if (run.state === "uploading") return texts.work.percent(run.uploaded);
  const done = run.seconds && run.total ? texts.work.done(clock(run.seconds), clock(run.total)) : "";
  return [done, run.left !== null && texts.work.left(clock(run.left))].filter(Boolean).join(" · ");
}
