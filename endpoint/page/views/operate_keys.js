// Keys: who may call, how much; make, rotate and revoke them.

import { getJson, request } from "../api.js";
import { button, el, field, fill, select, state, waiting } from "../dom.js";
import { texts } from "../texts.js";
import { operate } from "../texts_operate.js";
import { keyFields } from "./operate_key_fields.js";
import { arrange, ask, frame, moment, poll, report, span } from "./operate.js";
import { bars } from "./plot.js";

const words = operate.keys;
const ROUTE = "/v1/admin/keys";
const SECONDS = 15;
const LIMIT = 100;
const DAYS = 30;
const BADGES = { active: "badge good", expired: "badge", revoked: "badge bad" };
const DAY = 86_400;
const GRACES = [0, 3600, DAY, 7 * DAY];

export function view(root, context) {
  const make = button(words.make, { kind: "primary", on: { click: create } });
  const { body, problem } = frame(root, context, "keys", make);
  const list = el("ul", { class: "entries", "aria-label": words.list, tabindex: -1 });
  const empty = el("div", {}, waiting(texts.shell.loading));
  const more = button(words.more, { hidden: true, on: { click: () => {
    pages += 1;
    polling.now();
  } } });
  let rows = new Map();
  let pages = 1;
  fill(body, list, empty, more);

  async function refresh(signal) {
    const [keys, usage] = await Promise.all([listed(signal), usedThisMonth(context.server, signal)]);
    const made = keys.map((key) => {
      const row = rows.get(key.id) || new Row(key, act);
      row.update(key, usage?.get(key.id));
      return row;
    });
    rows = new Map(made.map((row) => [row.id, row]));
    arrange(list, made);
    fill(empty, !made.length && state(words.none, words.noneYet));
  }

  async function listed(signal) {
    const keys = [];
    for (let page = 0, after = ""; page < pages; page += 1) {
      const found = await getJson(`${ROUTE}?limit=${LIMIT}${after && `&after=${encodeURIComponent(after)}`}`, { signal });
      keys.push(...found.data);
      more.hidden = !found.has_more;
      if (!found.has_more) break;
      after = found.last_id;
    }
    const ended = (key) => Number(key.status !== "active");
    return keys.sort((one, other) => ended(one) - ended(other));
  }

  async function create() {
    const models = await getJson("/v1/models").then((found) => found.data.map((model) => model.id), () => []);
    const fields = keyFields(models);
    if (!await ask({ title: words.makeTitle, action: words.makeAction, content: fields.root })) return;
    await changed(async () => {
      const made = await getJson(ROUTE, { method: "POST", json: fields.value() });
      await showSecret(words.made(nameOf(made)), made.key);
    });
  }

  async function act(name, key) {
    if (name === "revoke") {
      const { title, about, action } = words.revokeQuestion(nameOf(key));
      if (!await ask({ title, about, action, kind: "danger" })) return;
      await changed(() => request(`${ROUTE}/${key.id}/revoke`, { method: "POST" }));
      context.announce(words.revoked(nameOf(key)));
      list.focus({ preventScroll: true }); // the button is gone
      return;
    }
    const grace = select(GRACES.map((seconds) => [String(seconds), words.graces(seconds)]), String(DAY));
    const content = field(words.grace, grace);
    const { title, about, action } = words.rotateQuestion(nameOf(key));
    if (!await ask({ title, about, action, content })) return;
    await changed(async () => {
      const json = { grace_seconds: Number(grace.value) };
      const made = await getJson(`${ROUTE}/${key.id}/rotate`, { method: "POST", json });
      await showSecret(words.rotated(nameOf(made)), made.key);
    });
  }

  async function changed(work) {
    try {
      await work();
      report(problem, null);
    } catch (error) {
      report(problem, error);
    }
    polling.now();
  }

  async function showSecret(title, secret) {
    const input = el("input", { value: secret, readonly: true, class: "secret", spellcheck: "false" });
    const copied = el("p", { class: "hint", role: "status" });
    const copy = button(words.copy, { symbol: "copy", on: { click: async () => {
      input.select();
      await navigator.clipboard.writeText(secret).then(() => fill(copied, words.copied), () => fill(copied, words.copyYourself));
    } } });
    const content = [field(words.secret, input), el("div", { class: "row" }, copy, copied)];
    await ask({ title, about: words.once, action: words.kept, content, cancel: "" });
  }

  const polling = poll(refresh, SECONDS, problem);
  return () => polling.stop();
}

function nameOf(key) {
  return key.name || key.prefix;
}

/** Seconds of audio since the first of the month (UTC), by id of the key; null where the server keeps no usage. */
async function usedThisMonth(server, signal) {
  if (!server.usage) return null;
  const start = `${new Date().toISOString().slice(0, 7)}-01`;
  const found = await getJson(`/v1/usage?group_by=key&start=${start}`, { signal });
  return new Map(found.data.map((row) => [row.name, row]));
}

/** One key in the list. act(name, key) is called by its buttons. */
class Row {
  constructor(key, act) {
    this.id = key.id;
    const does = (name, symbol, kind) =>
      button(words.actions[name], { symbol, kind: `${kind} small`, "aria-label": words.named[name](nameOf(key)),
        on: { click: () => act(name, this._key) } });
    this._badge = el("span", { class: "badge" });
    this._about = el("p", { class: "muted numbers" });
    this._scopes = el("div", { class: "row" });
    this._used = el("div", { class: "stack used" });
    this._actions = el("div", { class: "row" }, does("rotate", "retry", "plain"), does("revoke", "close", "danger"));
    this._plot = el("div", {});
    const details = el("details", { on: { toggle: () => details.open && this._drawUsage() } },
      el("summary", {}, words.usage), this._plot);
    this.root = el("li", { class: "entry", data: { id: key.id } },
      el("div", { class: "entry-head" }, el("h2", { class: "entry-title" }, nameOf(key)), this._badge, this._actions),
      this._about, this._scopes, this._used, details);
  }

  /** used: usage of this month; undefined for none. */
  update(key, used) {
    const state = JSON.stringify([key, used]);
    if (this._state === state) return;
    this._state = state;
    this._key = key;
    this._badge.className = BADGES[key.status] || "badge";
    fill(this._badge, words.statuses[key.status]);
    fill(this._about, aboutOf(key));
    fill(this._scopes, key.scopes.map((scope) => el("span", { class: "badge" }, words.scopes[scope] || scope)),
      (key.models || []).map((model) => el("span", { class: "badge" }, words.onlyModel(model))));
    fill(this._used, usedOf(key, used?.audio_seconds || 0), limitsOf(key));
    this._actions.hidden = key.status === "revoked";
  }

  async _drawUsage() {
    fill(this._plot, waiting(texts.shell.loading));
    try {
      const found = await getJson(`/v1/usage?group_by=day&key=${encodeURIComponent(this.id)}`);
      const byDay = new Map(found.data.map((row) => [row.name, row.audio_seconds]));
      const last = Date.parse(found.end);
      const days = Array.from({ length: DAYS }, (_, index) =>
        new Date(last - (DAYS - 1 - index) * DAY * 1000).toISOString().slice(0, 10));
      const drawn = days.map((day) => ({ name: day.slice(5), value: (byDay.get(day) || 0) / 60,
        text: `${day}: ${span(byDay.get(day) || 0)}` }));
      const label = words.usageLabel(nameOf(this._key), span(found.total.audio_seconds), found.total.requests);
      fill(this._plot, el("figure", { class: "figure" }, el("figcaption", {}, label), bars({ bars: drawn, unit: " min", label })));
    } catch (error) {
      fill(this._plot, el("p", { class: "problem" }, error.message));
    }
  }
}

function aboutOf(key) {
  return [
    words.prefix(key.prefix),
    words.created(moment(key.created_at)),
    key.last_used_at ? words.lastUsed(moment(key.last_used_at)) : words.neverUsed,
    key.revoked_at ? words.revokedAt(moment(key.revoked_at)) : key.expires_at && words.expires(moment(key.expires_at)),
  ].filter(Boolean).join(" · ");
}

/** This month's audio, beside its limit where there is one. */
function usedOf(key, seconds) {
  const most = key.limits.audio_seconds_per_month;
  if (most === undefined) return el("p", { class: "numbers" }, words.usedMonth(span(seconds)));
  const text = words.usedOf(span(seconds), span(most));
  return [el("p", { class: "numbers" }, text),
    el("progress", { max: Math.max(1, most), value: Math.min(seconds, most), "aria-label": text })];
}

function limitsOf(key) {
  const rows = Object.entries(key.limits).filter(([name]) => name !== "audio_seconds_per_month");
  if (!rows.length) return null;
  return el("dl", { class: "facts" }, rows.map(([name, value]) =>
    [el("dt", {}, words.limits[name] || name), el("dd", { class: "numbers" }, value.toLocaleString("en"))]));
}
