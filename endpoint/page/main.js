// Starts the page: who is asking, which view, and what is shown when something fails.

import { getJson, key, onRefused, readable, useKey } from "./api.js";
import { button, fill, state, waiting } from "./dom.js";
import { match, START } from "./routes.js";
import { Shell } from "./shell.js";
import { signIn } from "./signin.js";
import { texts } from "./texts.js";
import { work } from "./work.js";

const server = JSON.parse(document.querySelector('meta[name="server"]').content);
const shell = new Shell(server, { signOut });
let caller = null;
let cleanup = null;
let shown = 0; // of navigations: an older one that is still loading shows nothing

async function identify() {
  if (server.keys && !key()) return null;
  return getJson("/v1/caller");
}

function signOut() {
  useKey("");
  caller = null;
  start();
}

async function start() {
  end();
  fill(shell.main, waiting(texts.shell.loading));
  try {
    caller = await identify();
  } catch (error) {
    if (error.status !== 401) {
      fill(
        shell.main,
        state(
          texts.shell.failed,
          readable(error),
          button(texts.shell.again, { symbol: "retry", on: { click: start } }),
        ),
      );
      return;
    }
    useKey("");
  }
  shell.showCaller(caller);
  if (caller) {
    work.resume(server);
    show();
  } else {
    signIn(shell.main, { done: start });
  }
}

function end() {
  shown += 1;
  cleanup?.();
  cleanup = null;
}

async function show() {
  const found = match(location.hash.slice(1) || START);
  if (!found) {
    location.replace(`#${START}`);
    return;
  }
  end();
  const mine = shown;
  shell.light(found.route.nav);
  try {
    const module = await found.route.load();
    if (mine !== shown) return;
    const root = document.createElement("div");
    root.className = "view";
    fill(shell.main, root);
    cleanup = module.view(root, contextOf(found)) || null;
    shell.focusHeading();
  } catch (error) {
    if (mine === shown) fill(shell.main, state(texts.shell.failed, readable(error)));
  }
}

function contextOf(found) {
  return {
    params: found.params,
    server,
    caller,
    announce: (text) => shell.announce(text),
    navigate: (path) => {
      location.hash = path;
    },
    setTitle: (text) => {
      document.title = text ? `${text} · ${texts.shell.name}` : texts.shell.name;
    },
  };
}

onRefused(() => {
  if (!key() || !caller) return;
  signOut();
  shell.announce(texts.signin.refused);
});
window.addEventListener("hashchange", () => caller && show());
start();
