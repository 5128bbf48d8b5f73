// Small plots as SVG: lines over the last minutes, and bars of days. Colours and strokes are in operate.css.

import { svg } from "../dom.js";

const NARROW = 320;
const WIDE = 760;
const HEIGHT = 120;
const LEFT = 40; // room of the numbers
const BOTTOM = 16;
const TOP = 8;

/** A number as people read it: 0.042, 1.3, 47, 12k. */
export function short(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${round(value / 1e6, 1)}M`;
  if (size >= 1e4) return `${round(value / 1e3, 0)}k`;
  if (size >= 1e3) return `${round(value / 1e3, 1)}k`;
  if (size >= 10 || size === 0) return String(round(value, 0));
  return String(round(value, size >= 1 ? 1 : size >= 0.1 ? 2 : 3));
}

function round(value, digits) {
  return Number(value.toFixed(digits));
}

/** The next number of 1, 2, 5, 10, 20 and so on. */
export function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999999);
}

function frame(label, top, unit, width) {
  const plot = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label, class: "plot" });
  for (const share of [0, 0.5, 1]) {
    const y = level(share);
    plot.append(svg("line", { x1: LEFT, x2: width, y1: y, y2: y, class: "plot-grid" }));
    plot.append(svg("text", { x: LEFT - 6, y: y + 3.5, class: "plot-number" }, `${short(top * share)}${share === 1 ? unit : ""}`));
  }
  return plot;
}

function level(share) {
  return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share);
}

/** series: [{points: [[seconds, value or null]]}]. unit: behind the highest number. label: for those who do not see it.
 *  seconds: how far it goes back from now.
 */
export function lines({ series, unit = "", label, seconds, now }) {
  const values = series.flatMap((one) => one.points.map(([, value]) => value ?? 0));
  const top = ceiling(Math.max(0, ...values));
  const plot = frame(label, top, unit, NARROW);
  const x = (time) => LEFT + (NARROW - LEFT) * (1 - (now - time) / seconds);
  series.forEach((one, index) => {
    const kept = one.points.filter(([time]) => now - time <= seconds);
    plot.append(svg("path", { d: path(kept, x, (value) => level(value / top)), class: `plot-line plot-line-${index}` }));
  });
  plot.append(svg("text", { x: LEFT, y: HEIGHT - 3, class: "plot-time" }, `−${Math.round(seconds / 60)} min`));
  plot.append(svg("text", { x: NARROW, y: HEIGHT - 3, class: "plot-time plot-now" }, "0"));
  return plot;
}

/** A line that is broken where nothing was measured. A point alone becomes a dot, by the round ends of strokes. */
function path(points, x, y) {
  let broken = true;
  return points
    .map(([time, value]) => {
      if (value === null) {
        broken = true;
        return "";
      }
      const at = `${x(time).toFixed(1)} ${y(value).toFixed(1)}`;
      const step = broken ? `M${at}h0` : `L${at}`;
      broken = false;
      return step;
    })
    .join("");
}

/** bars: [{name, value, text}]; text: what is shown when one points at it. wide: where there is room for it. */
export function bars({ bars: given, unit = "", label, wide = false }) {
  const width = wide ? WIDE : NARROW;
  const top = ceiling(Math.max(0, ...given.map((one) => one.value)));
  const plot = frame(label, top, unit, width);
  const step = (width - LEFT) / Math.max(1, given.length);
  given.forEach((one, index) => {
    const y = level(one.value / top);
    const shape = { x: LEFT + step * (index + 0.1), y, width: step * 0.8, height: level(0) - y, class: "plot-bar", rx: 1 };
    plot.append(svg("rect", shape, svg("title", {}, one.text)));
  });
  if (given.length) {
    plot.append(svg("text", { x: LEFT, y: HEIGHT - 3, class: "plot-time" }, given[0].name));
    plot.append(svg("text", { x: width, y: HEIGHT - 3, class: "plot-time plot-now" }, given.at(-1).name));
  }
  return plot;
}
