// Recording with the microphone: the level, the time, and the text as it settles.

import { readable } from "../api.js";
import { button, el, fill } from "../dom.js";
import { LiveRecording } from "../live.js";
import { newId, putItem, putSound, putText } from "../store.js";
import { texts } from "../texts.js";
import { clock } from "../transcript.js";
import { opening, work } from "../work.js";

/** A panel that records at once. done(id): the transcript is kept; closed(): it is not. Returns its root and how to end. */
export function recordPanel({ server, options, announce, done, closed }) {
  const live = new LiveRecording(options, server);
  const meter = el("meter", { min: 0, max: 1, value: 0, "aria-label": texts.record.level });
  const time = el("span", { class: "numbers record-time" }, clock(0));
  const settled = el("span", {});
  const hint = el("span", { class: "interim" }, texts.record.hint);
  const changing = el("span", { class: "interim" });
  const problem = el("p", { class: "problem", role: "alert" });
  const stop = button(texts.record.stop, { symbol: "stop", kind: "primary", disabled: true, on: { click: finish } });
  const discard = button(texts.record.discard, { kind: "ghost", on: { click: leave } });
  const heading = el("h2", { tabindex: "-1" }, texts.record.starting);
  const about = { class: "settling tall", tabindex: 0, role: "region", "aria-label": texts.record.text };
  const text = el("div", { ...about, lang: options.language || null }, hint, settled, changing);
  const root = el(
    "section",
    { class: "card stack record", "aria-label": texts.record.title },
    el(
      "div",
      { class: "row" },
      el("span", { class: "pulse", "aria-hidden": "true" }),
      heading,
      el("span", { class: "end" }, time),
    ),
    meter,
    text,
    problem,
    el("div", { class: "row" }, stop, discard),
  );
  let shown = 0;

  live.addEventListener("change", draw);
  live.addEventListener("failed", ({ detail }) => fill(problem, detail));
  begin();

  async function begin() {
    try {
      await live.start();
      stop.disabled = false;
      fill(heading, texts.record.running);
      announce(texts.record.running);
    } catch (error) {
      fill(heading, texts.record.failed);
      fill(problem, readable(error));
    }
  }

  function draw() {
    meter.value = Math.min(1, live.level * 2);
    fill(time, clock(live.seconds));
    for (; shown < live.segments.length; shown += 1) {
      settled.append(live.segments[shown].text);
      announce(live.segments[shown].text);
    }
    const { text: stable, unstable } = live.interim;
    fill(changing, stable || unstable ? ` ${stable}${unstable}` : "");
    hint.hidden = Boolean(shown || stable || unstable);
    if (live.problem) fill(problem, live.problem);
    text.scrollTop = text.scrollHeight;
  }

  async function finish() {
    stop.disabled = true;
    discard.disabled = true;
    fill(heading, texts.record.finishing);
    const whole = await live.stop();
    const id = await keep(live, server, options, whole);
    done(id);
  }

  function leave() {
    live.discard();
    closed();
  }

  return { root, focus: () => heading.focus(), end: () => live.discard() };
}

/** What cannot be had while one speaks is had of the recording, afterwards. */
function needsWhole({ translate, speakers, vocabularies, language }) {
  return translate || speakers || vocabularies.length > 0 || language === "multi";
}

async function keep(live, server, options, whole) {
  if (needsWhole(options)) {
    const name = `${texts.record.name(new Date())}.wav`;
    return work.begin({ file: new File([live.wav()], name, { type: "audio/wav" }) }, options);
  }
  const id = newId();
  const sound = live.wav();
  const created = Date.now();
  const name = texts.record.name(new Date(created));
  const language = server.languages[live.language] || "";
  const facts = {
    duration: live.seconds,
    language,
    coverage: null,
    uncovered: [],
    warnings: whole ? [] : [texts.record.cut],
  };
  await putText({ id, segments: live.segments, names: {}, peaks: live.peaks(), ...facts, languageProbability: null });
  const kept = await putSound(id, sound);
  await putItem({
    id,
    name,
    created,
    status: "done",
    job: "",
    kind: "file",
    type: sound.type,
    url: "",
    size: sound.size,
    options,
    kept,
    task: "transcribe",
    duration: live.seconds,
    language,
    coverage: null,
    languageProbability: options.language ? null : (live.languageProbability ?? null),
    opening: opening(live.segments.map((one) => one.text).join("")),
  });
  return id;
}
