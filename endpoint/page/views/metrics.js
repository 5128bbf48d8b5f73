// Prometheus' text format, and what is plotted of it: gauges, rates and quantiles of the last minutes.

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES = { n: "\n", '"': '"', "\\": "\\" };

/** The samples of a text: name -> [{labels, value}]. What is no sample is left out. wanted: of a name. */
export function parse(text, wanted = () => true) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const match = line.startsWith("#") ? null : LINE.exec(line);
    if (match === null || !wanted(match[1])) continue;
    const labels = {};
    for (const [, name, value] of (match[2] ?? "").matchAll(LABEL)) {
      labels[name] = value.replace(/\\(.)/g, (whole, mark) => ESCAPES[mark] ?? whole);
    }
    if (!found.has(match[1])) found.set(match[1], []);
    found.get(match[1]).push({ labels, value: number(match[3]) });
  }
  return found;
}

function number(text) {
  if (text === "+Inf" || text === "Inf") return Infinity;
  return text === "-Inf" ? -Infinity : Number(text);
}

/** What was measured at moments, in seconds; the newest `most` of them. */
export class History {
  constructor(most) {
    this.most = most;
    this.rows = [];
  }

  add(time, samples) {
    this.rows.push({ time, samples });
    if (this.rows.length > this.most) this.rows.shift();
  }

  clear() {
    this.rows = [];
  }

  /** [time, value] of every row; null where there is no such sample. labels: those that it must have. */
  gauge(name, labels = {}) {
    return this.rows.map(({ time, samples }) => [time, sum(samples, name, labels)]);
  }

  /** [time, growth a second] of a counter, since the row before. */
  rate(name, labels = {}) {
    return this.#pairs((before, now) => {
      const grown = growth(before, now, name, labels);
      return grown === null ? null : grown / (now.time - before.time);
    });
  }

  /** [time, growth of one counter over that of another] since the row before; null while the other stands still. */
  ratio(name, over, labels = {}) {
    return this.#pairs((before, now) => {
      const below = growth(before, now, over, labels);
      const above = growth(before, now, name, labels);
      return below ? (above ?? 0) / below : null;
    });
  }

  /** [time, quantile] of what a histogram counted in the last `rows` rows; null where it counted nothing. */
  quantile(name, share, labels = {}, rows = 12) {
    return this.rows.map((now, index) => {
      const before = this.rows[Math.max(0, index - rows)];
      return [now.time, index ? quantile(buckets(before, now, name, labels), share) : null];
    });
  }

  #pairs(value) {
    return this.rows.map((now, index) => [now.time, index ? value(this.rows[index - 1], now) : null]);
  }
}

function matching(samples, name, labels) {
  const wanted = Object.entries(labels);
  return (samples.get(name) ?? []).filter((one) => wanted.every(([key, value]) => one.labels[key] === value));
}

function sum(samples, name, labels) {
  const found = matching(samples, name, labels);
  return found.length ? found.reduce((total, one) => total + one.value, 0) : null;
}

/** By how much a counter grew; from nothing where it is new, or the server was started again. */
function growth(before, now, name, labels) {
  const is = sum(now.samples, name, labels);
  if (is === null) return null;
  const was = sum(before.samples, name, labels) ?? 0;
  return is >= was ? is - was : is;
}

/** [bound, count] of a histogram's growth, by bound; counts are cumulative. */
function buckets(before, now, name, labels) {
  const bounds = new Set(matching(now.samples, `${name}_bucket`, labels).map((one) => one.labels.le));
  const counted = [...bounds].map((le) => [number(le), growth(before, now, `${name}_bucket`, { ...labels, le }) ?? 0]);
  return counted.sort((one, other) => one[0] - other[0]);
}

/** As Prometheus' histogram_quantile: within a bucket values are taken to be spread evenly. */
export function quantile(counted, share) {
  const total = counted.at(-1)?.[1] ?? 0;
  if (!total) return null;
  const rank = share * total;
  const index = counted.findIndex(([, count]) => count >= rank);
  const [bound, count] = counted[index];
  const [low, below] = index ? counted[index - 1] : [0, 0];
  if (!Number.isFinite(bound)) return low;
  return count === below ? bound : low + ((bound - low) * (rank - below)) / (count - below);
}
