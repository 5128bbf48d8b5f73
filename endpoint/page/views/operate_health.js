// Health: whether the server can work, and how much it has to do, by its metrics of the last minutes.

import { getJson, request } from "../api.js";
import { el, fill, state, waiting } from "../dom.js";
import { texts } from "../texts.js";
import { operate } from "../texts_operate.js";
import { History, parse } from "./metrics.js";
import { frame, poll } from "./operate.js";
import { lines, short } from "./plot.js";

const words = operate.health;
const SECONDS = 5;
const SHOWN_SECONDS = 15 * 60;
const history = new History(SHOWN_SECONDS / SECONDS + 1); // it goes on where one comes back to this view
const WANTED = /^stt_/;

// A plot: its name in texts, unit, and series as [name in texts, points].
const PLOTS = [
  ["queue", " s", (past) => [
    ["requests", past.gauge("stt_queue_audio_seconds", { class: "request" })],
    ["jobs", past.gauge("stt_queue_audio_seconds", { class: "job" })],
  ]],
  ["jobs", "", (past) => [
    ["queued", past.gauge("stt_jobs", { status: "queued" })],
    ["running", past.gauge("stt_jobs", { status: "running" })],
  ]],
  ["speed", "×", (past) => [["audio", past.rate("stt_audio_done_seconds_total")]]],
  ["windows", "", (past) => [
    ["requests", past.gauge("stt_windows_in_flight", { class: "request" })],
    ["jobs", past.gauge("stt_windows_in_flight", { class: "job" })],
    ["live", past.gauge("stt_windows_in_flight", { class: "live" })],
  ]],
  ["batch", "", (past) => [["step", past.ratio("stt_engine_step_windows_total", "stt_engine_steps_total")]]],
  ["time", " s", (past) => [
    ["half", past.quantile("stt_request_seconds", 0.5)],
    ["most", past.quantile("stt_request_seconds", 0.95)],
  ]],
  ["lag", " s", (past) => [
    ["word", past.quantile("stt_live_lag_seconds", 0.95, { lag: "word" })],
    ["final", past.quantile("stt_live_lag_seconds", 0.95, { lag: "final" })],
  ]],
  ["sessions", "", (past) => [["live", past.gauge("stt_live_sessions")]]],
  ["refused", " / s", (past) => [
    ["refused", past.rate("stt_refused_requests_total")],
    ["failed", past.rate("stt_failed_recordings_total")],
  ]],
];

export function view(root, context) {
  const { body, problem } = frame(root, context, "health");
  const tiles = el("dl", { class: "tiles" });
  const plots = el("div", { class: "plots" });
  const about = el("div", {}, waiting(texts.shell.loading));
  fill(body, tiles, about, plots);

  async function refresh(signal) {
    const [health, ready, version] = await Promise.all([
      status("/health", signal), status("/ready", signal), getJson("/version", { signal }),
    ]);
    fill(tiles, facts(health, ready, version));
    if (!context.server.metrics) {
      fill(about, state(words.noMetrics, words.noMetricsAbout));
      return;
    }
    const text = await (await request("/metrics", { signal })).text();
    history.add(Date.now() / 1000, parse(text, (name) => WANTED.test(name)));
    fill(about);
    fill(plots, PLOTS.map(([name, unit, series]) => figure(name, unit, series(history))));
  }

  const polling = poll(refresh, SECONDS, problem);
  return () => polling.stop();
}

/** Whether the route responds with 200; else the server's words. */
async function status(path, signal) {
  try {
    await request(path, { signal });
    return "";
  } catch (error) {
    if (signal.aborted) throw error;
    return error.message;
  }
}

function facts(health, ready, version) {
  const good = (problem, text) => el("span", { class: problem ? "badge bad" : "badge good" }, problem || text);
  const rows = [
    [words.health, good(health, words.good)],
    [words.ready, good(ready, words.takes)],
    [words.models, version.models.join(", ")],
    [words.engine, `${version.engine} ${version.engine_version}`],
    [words.device, `${version.device}, ${version.dtype}`],
    [words.version, version.version],
  ];
  return rows.map(([name, value]) => el("div", { class: "tile" }, el("dt", {}, name), el("dd", {}, value)));
}

function figure(name, unit, given) {
  const { title, about, series: names } = words.plots[name];
  const series = given.map(([key, points]) => ({ name: names[key], points, now: points.at(-1)?.[1] ?? null }));
  const read = series.map((one) => words.now(one.name, one.now === null ? words.nothing : `${short(one.now)}${unit}`));
  const now = history.rows.at(-1).time;
  return el("figure", { class: "card figure" },
    el("figcaption", {}, el("h2", {}, title), el("p", { class: "hint" }, about)),
    lines({ series, unit, label: `${title}: ${read.join(", ")}`, seconds: SHOWN_SECONDS, now }),
    el("ul", { class: "legend numbers", "aria-hidden": "true" }, series.map((one, index) =>
      el("li", {}, el("i", { class: `legend-mark legend-mark-${index}` }), read[index]))));
}
