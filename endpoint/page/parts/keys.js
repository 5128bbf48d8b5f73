// The keys of a transcript: playing, speed, corrections, finding.

import { el } from "../dom.js";
import { texts } from "../texts.js";
import { dialog } from "./confirm.js";

const STEP_SECONDS = 3;

/** Listens until the signal ends. act: player, announce(text), find(), walk("undo" or "redo"), correct(). */
export function listenToKeys(act, signal) {
  window.addEventListener("keydown", (event) => onKey(event, act), { signal });
}

/** Lists the keys in a dialog. */
export function showKeys() {
  const rows = texts.keys.list.map(([keys, about]) => [el("dt", {}, el("kbd", {}, keys)), el("dd", {}, about)]);
  dialog(texts.keys.title, el("dl", { class: "keys" }, rows));
}

function onKey(event, act) {
  if (event.defaultPrevented || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.closest("input:not([type=range]), textarea, select");
  const run = event.ctrlKey || event.metaKey ? commandOf(event, act, typing) : !typing && plainOf(event, act);
  if (!run) return;
  event.preventDefault();
  run();
}

function commandOf(event, act, typing) {
  const letter = event.key.toLowerCase();
  if (letter === "f") return act.find;
  if (letter === "z" && !typing) return () => act.walk(event.shiftKey ? "redo" : "undo");
  return null;
}

/** What a key does by itself; on controls only what they do not use. */
function plainOf(event, { player, announce, correct }) {
  const speed = (steps) => () => announce(texts.player.speedNow(player.faster(steps)));
  if (event.shiftKey) return { ArrowLeft: speed(-1), ArrowRight: speed(1) }[event.key];
  if (event.target.closest("button, a, summary, input")) return null;
  const keys = {
    " ": () => player.toggle(),
    ArrowLeft: () => player.step(-STEP_SECONDS),
    ArrowRight: () => player.step(STEP_SECONDS),
    Enter: correct,
  };
  return keys[event.key];
}
