// A transcript as the page holds it, made of responses in verbose_json, and brought back to that form. Pure.
//
// segment: {key, start, end, text, speaker, words}; words: [{text, start, end, probability}], whose texts joined are the
// segment's, or null where none were timed. Times are seconds of the recording.

let keys = 0;

/** A segment with a key of its own, by which the page knows it. */
export function segment(fields) {
  keys += 1;
  return { speaker: "", words: null, ...fields, key: keys };
}

/** The segments of a body of verbose_json. */
export function segmentsOf(body) {
  const words = body.words ? [...body.words] : null;
  let at = 0;
  return (body.segments || []).map((given) => {
    const found = words ? wordsOf(given.text, words, at) : null;
    at += found ? found.length : 0;
    const { start, end, text, speaker = "" } = given;
    return segment({ start, end, text, speaker: speaker || "", words: found });
  });
}

/** Those of `words` from number `from` on that make up `text`; null where they do not. */
function wordsOf(text, words, from) {
  const found = [];
  let at = 0;
  for (let number = from; number < words.length; number += 1) {
    const plain = words[number].word.trim();
    const begin = text.indexOf(plain, at);
    if (begin < 0 || text.slice(at, begin).trim()) break;
    const { start, end, probability = 1 } = words[number];
    found.push({ text: text.slice(at, begin + plain.length), start, end, probability });
    at = begin + plain.length;
  }
  return found.length && !text.slice(at).trim() ? found : null;
}

/** What the page keeps of a body of verbose_json, beside its segments. */
export function factsOf(body) {
  return {
    duration: body.duration,
    language: body.language || "",
    languageProbability: body.language_probability ?? null,
    coverage: body.coverage ?? null,
    uncovered: body.uncovered || [],
    warnings: (body.warnings || []).map((one) => one.message),
  };
}

/** The waveform of a body: bytes from 0 to 255, or null. */
export function peaksOf(body) {
  if (!body.peaks) return null;
  return Uint8Array.from(atob(body.peaks), (character) => character.charCodeAt(0));
}

/** The whole as a body of verbose_json; names: of speakers, by their labels. */
export function verboseOf(item, segments, names) {
  const text = segments
    .map((one) => one.text)
    .join("")
    .trim();
  const body = { task: item.task, language: item.language, duration: item.duration, text };
  body.segments = segments.map((one, id) => {
    const row = { id, start: one.start, end: one.end, text: one.text };
    return one.speaker ? { ...row, speaker: names[one.speaker] || one.speaker } : row;
  });
  if (segments.some((one) => one.words)) {
    body.words = segments.flatMap((one) =>
      (one.words || []).map((word) => ({
        word: word.text.trim(),
        start: word.start,
        end: word.end,
        probability: word.probability,
      })),
    );
  }
  return body;
}

/** The text for people: paragraphs that end with a speaker, or in a pause of two seconds. */
export function plainText(segments, names, { times, speakers }) {
  const parts = [];
  for (const one of segments) {
    if (!one.text.trim()) continue;
    const last = parts.at(-1);
    const goesOn = last && last.speaker === one.speaker && one.start - last.end < 2 && last.text.length < 700;
    if (goesOn) Object.assign(last, { text: last.text + one.text, end: one.end });
    else parts.push({ speaker: one.speaker, start: one.start, end: one.end, text: one.text });
  }
  return parts
    .map((part) => {
      const name = speakers && part.speaker ? `${names[part.speaker] || part.speaker}: ` : "";
      return `${times ? `[${clock(part.start)}] ` : ""}${name}${part.text.trim()}\n`;
    })
    .join("\n");
}

/** Seconds as people write them: 4:05, 1:04:05. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const pad = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
}

/** The number of the last segment that begins at or before a time; -1 before the first. */
export function segmentAt(segments, time) {
  let [low, high] = [0, segments.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (segments[middle].start <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The number of the word that is spoken at a time; -1 for none. */
export function wordAt(words, time) {
  if (!words) return -1;
  let found = -1;
  for (let number = 0; number < words.length && words[number].start <= time; number += 1) found = number;
  return found >= 0 && time < words[found].end + 0.25 ? found : -1;
}
