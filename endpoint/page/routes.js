// Addresses behind `#`, and the views that they lead to.
//
// A view is a module that exports view(root, context) and gives back what ends it, or nothing. context: params (named
// parts of the address), server (what index.html says of it), caller (id, name, scopes), announce(text), navigate(path),
// setTitle(text).

/** path: parts that begin with `:` are parameters. nav: where the entry of the menu is lit. */
export const ROUTES = [
  { path: "/transcribe", nav: "transcribe", load: () => import("./views/transcribe.js") },
  { path: "/operate", nav: "operate", load: () => import("./views/operate_start.js") },
  { path: "/operate/jobs", nav: "operate", load: () => import("./views/operate_jobs.js") },
  { path: "/operate/keys", nav: "operate", load: () => import("./views/operate_keys.js") },
  { path: "/operate/usage", nav: "operate", load: () => import("./views/operate_usage.js") },
  { path: "/operate/health", nav: "operate", load: () => import("./views/operate_health.js") },
  { path: "/transcript/:id", nav: "transcribe", load: () => import("./views/transcript.js") },
];

export const START = "/transcribe";

/** The route of an address and its parameters; null where there is none. address: what follows `#`. */
export function match(address) {
  const parts = split(address.split("?")[0]);
  for (const route of ROUTES) {
    const params = matched(split(route.path), parts);
    if (params) return { route, params };
  }
  return null;
}

function split(path) {
  return path.split("/").filter(Boolean);
}

function matched(pattern, parts) {
  if (pattern.length !== parts.length) return null;
  const params = {};
  for (const [index, part] of pattern.entries()) {
    if (part.startsWith(":")) params[part.slice(1)] = decodeURIComponent(parts[index]);
    else if (part !== parts[index]) return null;
  }
  return params;
}
