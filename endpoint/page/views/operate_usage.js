// Usage: audio by day, by model and by key, with amounts where there are prices.

import { getJson, request } from "../api.js";
import { button, el, field, fill, select, state, waiting } from "../dom.js";
import { texts } from "../texts.js";
import { operate } from "../texts_operate.js";
import { frame, poll, report, span } from "./operate.js";
import { bars } from "./plot.js";

const words = operate.usage;
const SECONDS = 30;
const RANGES = [7, 30, 90, 365];
const DAY_MS = 86_400_000;

export function view(root, context) {
  const download = button(words.download, { symbol: "download", on: { click: save } });
  const { body, problem } = frame(root, context, "usage", download);
  const range = select(RANGES.map((days) => [String(days), words.range(days)]), "30", { on: { change: () => polling.now() } });
  const content = el("div", { class: "stack" }, waiting(texts.shell.loading));
  const admin = context.caller.scopes.includes("admin");
  fill(body, el("div", { class: "filter" }, field(words.show, range)), content);
  let drawn = "";

  function start() {
    return new Date(Date.now() - (Number(range.value) - 1) * DAY_MS).toISOString().slice(0, 10);
  }

  async function refresh(signal) {
    const from = start();
    const by = (group) => getJson(`/v1/usage?group_by=${group}&start=${from}`, { signal });
    const [days, models, keys, names] = await Promise.all([by("day"), by("model"), by("key"), keyNames(signal)]);
    const now = JSON.stringify([days, models, keys, [...names]]);
    if (now === drawn) return;
    drawn = now;
    if (!days.total.requests) fill(content, state(words.none, words.noneYet));
    else fill(content, totals(days), daily(days), table(words.byModel, models, (name) => name),
      table(words.byKey, keys, (name) => names.get(name) || words.callers[name] || name));
  }

  /** Names of keys by their ids; none where the caller may not know them. */
  async function keyNames(signal) {
    if (!admin || !context.server.managesKeys) return new Map();
    const found = await getJson("/v1/admin/keys?limit=100", { signal });
    return new Map(found.data.map((key) => [key.id, key.name || key.prefix]));
  }

  async function save() {
    try {
      const rows = await (await request(`/v1/usage?group_by=day&format=csv&start=${start()}`)).blob();
      const url = URL.createObjectURL(rows);
      el("a", { href: url, download: `usage-${start()}.csv` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
      report(problem, null);
    } catch (error) {
      report(problem, error);
    }
  }

  const polling = poll(refresh, SECONDS, problem);
  return () => polling.stop();
}

function totals({ total, currency }) {
  const rows = [
    [words.audio, span(total.audio_seconds)],
    [words.requests, total.requests.toLocaleString("en")],
    [words.billed, span(total.billed_seconds)],
    [words.amount, total.amount === null ? null : money(total.amount, currency)],
  ].filter(([, value]) => value !== null);
  return el("dl", { class: "tiles" }, rows.map(([name, value]) =>
    el("div", { class: "tile" }, el("dt", {}, name), el("dd", { class: "numbers" }, value))));
}

function money(amount, currency) {
  const digits = amount && Math.abs(amount) < 1 ? 4 : 2;
  return `${amount.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: digits })} ${currency}`;
}

function daily(days) {
  const used = new Map(days.data.map((row) => [row.name, row.audio_seconds]));
  const [first, last] = [Date.parse(days.start), Date.parse(days.end)];
  const names = Array.from({ length: Math.round((last - first) / DAY_MS) + 1 }, (_, index) =>
    new Date(first + index * DAY_MS).toISOString().slice(0, 10));
  const most = Math.max(...names.map((name) => used.get(name) || 0));
  const [divisor, unit] = most > 7200 ? [3600, " h"] : [60, " min"];
  const drawn = names.map((name) => {
    const seconds = used.get(name) || 0;
    return { name: name.slice(5), value: seconds / divisor, text: `${name}: ${span(seconds)}` };
  });
  const label = words.plotLabel(names[0], names.at(-1), span(days.total.audio_seconds), span(most));
  return el("figure", { class: "card figure wide" }, el("figcaption", {}, el("h2", {}, words.byDay)), bars({ bars: drawn, unit, label, wide: window.matchMedia("(min-width: 40rem)").matches }));
}

function table(title, found, nameOf) {
  const priced = found.data.some((row) => row.amount !== null);
  const heads = [title, words.requests, words.audio, words.billed, priced && words.amount].filter(Boolean);
  const rows = found.data.map((row) => [
    nameOf(row.name),
    row.requests.toLocaleString("en"),
    span(row.audio_seconds),
    span(row.billed_seconds),
    priced && (row.amount === null ? "–" : money(row.amount, found.currency)),
  ].filter((cell) => cell !== false));
  return el("div", { class: "card scroll", tabindex: 0, role: "region", "aria-label": title },
    el("table", { class: "numbers" },
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, rows.map(([name, ...cells]) =>
        el("tr", {}, el("th", { scope: "row" }, name), cells.map((cell) => el("td", {}, cell)))))));
}
