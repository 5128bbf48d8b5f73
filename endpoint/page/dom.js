// Elements from plain values. Text only ever becomes text: there is no way from a string to markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element. attributes: `on` has listeners by event, `style` custom properties by name, `data` the dataset;
 * true sets an empty attribute, false, null and undefined none. children: nodes, text, or lists of them. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  apply(made, attributes);
  append(made, children);
  return made;
}

/** An SVG element, made as `el` makes others. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  apply(made, attributes);
  append(made, children);
  return made;
}

function apply(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

function append(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) parent.append(child);
  }
}

/** Replaces what is in an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

// Strokes in a box of 24 by 24.
const ICONS = {
  upload: "M12 16V4m0 0L7 9m5-5 5 5M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700l-1.700 1.700M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700l1.700-1.700",
  mic: "M12 15a3 3 0 0 0 3-3V6a3 3 0 0 0-6 0v6a3 3 0 0 0 3 3zM6 11v1a6 6 0 0 0 12 0v-1M12 18v3",
  play: "M8 5.500v13l10.500-6.500z",
  pause: "M9 5v14M15 5v14",
  stop: "M7 7h10v10H7z",
  back: "M4 12a8 8 0 1 0 2.500-5.800M4 4v4.500h4.500",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.500l4.500 4.500L19 7.500",
  download: "M12 4v12m0 0l-5-5m5 5l5-5M4 20h16",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  search: "M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13zM15.500 15.500L20 20",
  undo: "M8 5L4 9l4 4M4 9h10a6 6 0 0 1 0 12h-3",
  redo: "M16 5l4 4-4 4M20 9H10a6 6 0 0 0 0 12h3",
  pencil: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  people:
    "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM3 20a6 6 0 0 1 12 0M16 4.500a3.500 3.500 0 0 1 0 6.500M18 14.500a6 6 0 0 1 3 5.500",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v2M12 20v2M4 12H2M22 12h-2M5 5l1.500 1.500M17.500 17.500L19 19M5 19l1.500-1.500M17.500 6.500L19 5",
  moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4 8.500 8.500 0 1 0 20 14.500z",
  out: "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9",
  retry: "M20 11a8 8 0 1 0-2.300 6M20 5v6h-6",
  left: "M15 5l-7 7 7 7",
  warn: "M12 4L2.500 20h19zM12 10v4.500M12 17.500h.01",
  keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M7 14h10",
};

/** A drawing that screen readers pass over. name: one of ICONS. */
export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
}

/** A button with an icon, a text, or both. quiet: shows the icon only; the text is its name. */
export function button(text, { symbol, quiet, kind = "plain", ...attributes } = {}) {
  const named = quiet ? { "aria-label": text, title: text } : {};
  const classes = `button ${kind}${quiet ? " quiet" : ""}`;
  return el(
    "button",
    { type: "button", class: classes, ...named, ...attributes },
    symbol && icon(symbol),
    !quiet && el("span", {}, text),
  );
}

let made = 0;

/** A control under its label, with a hint if there is one. */
export function field(label, control, hint = "") {
  control.id ||= `field-${++made}`;
  const about = hint && el("p", { class: "hint", id: `${control.id}-hint` }, hint);
  if (about) control.setAttribute("aria-describedby", about.id);
  return el("div", { class: "field" }, el("label", { for: control.id }, label), control, about);
}

/** A box to tick, with its label behind it. */
export function tick(label, attributes = {}) {
  const input = el("input", { type: "checkbox", ...attributes });
  return { root: el("label", { class: "tick" }, input, el("span", {}, label)), input };
}

/** A list to choose from. options: [value, text]. */
export function select(options, chosen, attributes = {}) {
  const rows = options.map(([value, text]) => el("option", { value, selected: value === chosen }, text));
  return el("select", attributes, rows);
}

/** What is shown where there is nothing, or something went wrong. */
export function state(title, about, ...more) {
  return el("div", { class: "state" }, el("p", { class: "state-title" }, title), about && el("p", {}, about), more);
}

/** What is shown while something is fetched. */
export function waiting(text) {
  return el("p", { class: "waiting", role: "status" }, el("span", { class: "spinner", "aria-hidden": "true" }), text);
}
