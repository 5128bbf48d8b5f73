// The fields of a new key.

import { el, field, select, tick } from "../dom.js";
import { operate } from "../texts_operate.js";

const words = operate.keys;
const SCOPES = ["transcribe", "jobs", "realtime", "admin"];
const DAY = 86_400;
const EXPIRIES = [0, 30, 90, 365];
const LIMITS = [
  "requests_per_minute", "requests_in_flight", "audio_seconds_per_minute", "audio_seconds_per_month", "live_sessions",
  "upload_mb",
];

/** models: names that a key may be kept to. value(): the body of the request. */
export function keyFields(models) {
  const name = el("input", { maxlength: 100, autocomplete: "off", spellcheck: "false" });
  const scopes = SCOPES.map((scope) => [scope, tick(words.scopeAbout(scope), { checked: scope !== "admin" })]);
  const kept = models.map((model) => [model, tick(model, { checked: true })]);
  const expiry = select(EXPIRIES.map((days) => [String(days), words.expiry(days)]), "0");
  const limits = LIMITS.map((one) => [one, el("input", { type: "number", min: 0, step: 1, inputmode: "numeric" })]);
  const root = el("div", { class: "stack" },
    field(words.name, name, words.nameHint),
    group(words.mayDo, scopes),
    models.length > 1 && group(words.mayUse, kept),
    field(words.expiryLabel, expiry),
    el("details", {}, el("summary", {}, words.limitsTitle), el("p", { class: "hint" }, words.limitsHint),
      el("div", { class: "grid" }, limits.map(([one, input]) => field(words.limits[one], input)))));

  function value() {
    const days = Number(expiry.value);
    const chosen = kept.filter(([, box]) => box.input.checked).map(([model]) => model);
    return {
      name: name.value.trim(),
      scopes: scopes.filter(([, box]) => box.input.checked).map(([scope]) => scope),
      models: chosen.length && chosen.length < kept.length ? chosen : null,
      expires_at: days ? Math.floor(Date.now() / 1000) + days * DAY : null,
      limits: Object.fromEntries(limits.filter(([, input]) => input.value !== "").map(([one, input]) => [one, Number(input.value)])),
    };
  }

  return { root, value };
}

function group(legend, boxes) {
  return el("fieldset", {}, el("legend", {}, legend), boxes.map(([, box]) => box.root));
}
