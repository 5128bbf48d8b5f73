// Jobs: how far they are, what became of them; cancel, queue again, delete.

import { getJson, request } from "../api.js";
import { button, el, field, fill, select, state, waiting } from "../dom.js";
import { texts } from "../texts.js";
import { operate } from "../texts_operate.js";
import { arrange, ask, clock, frame, moment, poll, report } from "./operate.js";

const words = operate.jobs;
const ROUTE = "/v1/audio/jobs";
const SECONDS = 3;
const LIMIT = 25;
const FINAL = ["succeeded", "failed", "cancelled"];
const BADGES = { succeeded: "badge good", failed: "badge bad", running: "badge live" };

export function view(root, context) {
  const { body, problem } = frame(root, context, "jobs");
  const shown = { status: "", afters: [""], rows: new Map() };
  const list = el("ul", { class: "entries", "aria-label": words.list, tabindex: -1 });
  const empty = el("div", {}, waiting(texts.shell.loading));
  const newer = button(words.newer, { on: { click: () => turn(-1) } });
  const older = button(words.older, { on: { click: () => turn(1) } });
  const statuses = ["", "queued", "running", ...FINAL].map((name) => [name, words.filters[name]]);
  const filter = select(statuses, "", { on: { change: () => {
    shown.status = filter.value;
    shown.afters = [""];
    polling.now();
  } } });
  fill(body, el("div", { class: "filter" }, field(words.show, filter)), list, empty,
    el("div", { class: "row" }, newer, older));

  const mayRequeue = context.caller.scopes.includes("admin");
  let last = "";
  function turn(step) {
    if (step > 0) shown.afters.push(last);
    else shown.afters.pop();
    polling.now();
  }

  async function refresh(signal) {
    const asked = new URLSearchParams({ limit: LIMIT });
    if (shown.status) asked.set("status", shown.status);
    if (shown.afters.at(-1)) asked.set("after", shown.afters.at(-1));
    const page = await getJson(`${ROUTE}?${asked}`, { signal });
    last = page.last_id;
    draw(page.data);
    newer.hidden = shown.afters.length === 1;
    older.hidden = !page.has_more;
  }

  function draw(jobs) {
    const rows = jobs.map((job) => {
      const row = shown.rows.get(job.id) || new Row(job, act, mayRequeue);
      row.update(job);
      return row;
    });
    shown.rows = new Map(rows.map((row) => [row.id, row]));
    arrange(list, rows);
    fill(empty, !rows.length && state(words.none, shown.status ? words.noneSuch : words.noneYet));
  }

  async function act(name, job) {
    const title = titleOf(job);
    const question = words.questions[name];
    if (question && !await ask({ ...question(title), kind: "danger" })) return;
    try {
      if (name === "delete") await request(`${ROUTE}/${job.id}`, { method: "DELETE" });
      else await request(`${ROUTE}/${job.id}/${name}`, { method: "POST" });
      report(problem, null);
      context.announce(words.done[name](title));
      list.focus({ preventScroll: true }); // the button is gone
      polling.now();
    } catch (error) {
      report(problem, error);
    }
  }

  const polling = poll(refresh, SECONDS, problem);
  return () => polling.stop();
}

function titleOf(job) {
  const [first, ...rest] = job.files.map((file) => file.name);
  return rest.length ? words.several(first, rest.length) : first || job.id;
}

/** One job in the list. act(name, job) is called by its buttons. */
class Row {
  constructor(job, act, mayRequeue) {
    this.id = job.id;
    this._mayRequeue = mayRequeue;
    const title = titleOf(job);
    const does = (name, symbol, kind) =>
      button(words.actions[name], { symbol, kind: `${kind} small`, "aria-label": words.named[name](title),
        on: { click: () => act(name, this._job) } });
    this._badge = el("span", { class: "badge" });
    this._about = el("p", { class: "muted numbers" });
    this._bar = el("progress", { max: 1, "aria-label": words.progress(title) });
    this._error = el("p", { class: "entry-problem" });
    this._cancel = does("cancel", "stop", "plain");
    this._requeue = does("requeue", "retry", "plain");
    this._delete = does("delete", "trash", "ghost");
    this._details = el("div", { class: "stack" });
    this.root = el("li", { class: "entry", data: { id: job.id } },
      el("div", { class: "entry-head" }, el("h2", { class: "entry-title" }, title), this._badge,
        el("div", { class: "row" }, this._cancel, this._requeue, this._delete)),
      this._about, this._bar, this._error,
      el("details", {}, el("summary", {}, words.details), this._details));
  }

  update(job) {
    const before = JSON.stringify(this._job);
    if (before === JSON.stringify(job)) return;
    this._job = job;
    const { status, progress } = job;
    this._badge.className = BADGES[status] || "badge";
    fill(this._badge, words.statuses[status]);
    fill(this._about, aboutOf(job));
    this._bar.hidden = FINAL.includes(status);
    this._bar.value = progress.fraction;
    fill(this._error, job.error ? words.error(job.error.message, job.error.code) : null);
    this._error.hidden = !job.error;
    this._cancel.hidden = FINAL.includes(status);
    this._requeue.hidden = status !== "failed" || !this._mayRequeue;
    this._delete.hidden = !FINAL.includes(status);
    fill(this._details, detailsOf(job));
  }
}

function aboutOf(job) {
  const { audio_seconds_done: done, audio_seconds_total: total } = job.progress;
  const audio = job.status === "running" ? words.doneOf(clock(done), clock(total)) : clock(total);
  const took = job.finished_at && job.started_at ? words.took(clock(job.finished_at - job.started_at)) : "";
  return [audio, words.submitted(moment(job.created_at)), took].filter(Boolean).join(" · ");
}

function detailsOf(job) {
  const rows = [
    [words.id, job.id],
    [words.model, job.model],
    [words.priority, words.priorities[job.priority]],
    [words.attempts, String(job.attempts)],
    [words.started, job.started_at && moment(job.started_at)],
    [words.finished, job.finished_at && moment(job.finished_at)],
    [words.expires, job.expires_at && moment(job.expires_at)],
    [words.metadata, job.metadata && JSON.stringify(job.metadata)],
    [words.options, JSON.stringify(changed(job.options))],
  ].filter(([, value]) => value);
  const list = el("dl", { class: "facts" }, rows.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  const files = job.files.map((file) =>
    el("li", {}, file.name, " · ", words.statuses[file.status], file.error && ` · ${file.error.message}`));
  return [list, files.length > 1 && el("ul", { class: "files" }, files)];
}

/** The options that are not empty. */
function changed(options) {
  const empty = (value) => value === null || value === false || (Array.isArray(value) && !value.length);
  return Object.fromEntries(Object.entries(options).filter(([, value]) => !empty(value)));
}
