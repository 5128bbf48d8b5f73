// Recordings that are being transcribed: short ones over a stream, long ones as jobs of the server, which go on when the
// page is closed. It outlives the views; they listen to "change".

import { ApiError, apiError, events, getJson, postForm, readable, request } from "./api.js";
import { lengthOf } from "./media.js";
import { changeItem, getSound, listItems, newId, putItem, putSound, putText } from "./store.js";
import { texts } from "./texts.js";
import { factsOf, peaksOf, segment, segmentsOf } from "./transcript.js";

export const LONG_SECONDS = 600; // from here on a recording is a job, where the server has jobs
const LONG_BYTES = 24 << 20; // the same for files whose length the browser cannot tell
const AT_ONCE = 2; // streams; jobs wait in the server's own queue
const MOST_PEAKS = 200_000;
const PEAKS_A_SECOND = 25;
const UNKNOWN_PEAKS = 20_000;
const AGAIN_MS = [1000, 2000, 5000, 10_000, 30_000]; // between attempts to follow a job

/** One recording. state: waiting, uploading, working, done, failed or cancelled. */
class Run {
  constructor(item, options, source) {
    Object.assign(this, { item, options, source, state: "waiting", uploaded: 0, seconds: 0, problem: "" });
    this.segments = []; // settled so far, without words
    this.total = item.duration || 0;
    this.began = 0;
    this.ended = new AbortController();
    this.finished = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  get id() {
    return this.item.id;
  }

  /** Share that is done, 0 to 1; null where it is not known. */
  get share() {
    if (this.state === "uploading") return this.uploaded;
    return this.total ? Math.min(1, this.seconds / this.total) : null;
  }

  /** Seconds that are left, as far as the pace until now tells; null before it tells. */
  get left() {
    if (this.state !== "working" || !this.total || !this.seconds || !this.began) return null;
    const spent = (performance.now() - this.began) / 1000;
    return spent > 2 ? Math.max(0, (spent / this.seconds) * (this.total - this.seconds)) : null;
  }
}

class Work extends EventTarget {
  constructor() {
    super();
    this.runs = new Map();
    window.addEventListener("beforeunload", (event) => this.#leaving && event.preventDefault());
  }

  get #leaving() {
    return [...this.runs.values()].some((run) => !run.item.job && ["uploading", "working"].includes(run.state));
  }

  /** Takes up what was under way when the page was closed. */
  async resume(server) {
    this.server = server;
    for (const item of await listItems()) {
      if (item.status !== "working" || this.runs.has(item.id) || (await inAnotherTab(item.id))) continue;
      if (item.job) this.#add(new Run(item, item.options, {}), (run) => this.#follow(run));
      else await changeItem(item.id, { status: "failed", problem: texts.work.interrupted });
    }
  }

  /** Begins with a recording. source: {file} or {url}. Returns its id. */
  async begin(source, options) {
    const id = newId();
    const { file, url } = source;
    const item = {
      id,
      name: file ? file.name || texts.work.recording : nameOf(url),
      created: Date.now(),
      status: "working",
      job: "",
      kind: file ? "file" : "url",
      type: file?.type || "",
      url: url || "",
      size: file?.size || 0,
      options,
      task: options.translate ? "translate" : "transcribe",
      duration: file ? await lengthOf(file) : null,
    };
    item.kept = file ? await putSound(id, file) : false;
    await putItem(item);
    this.#add(new Run(item, options, source), (run) => this.#transcribe(run));
    return id;
  }

  /** Begins again with what failed. */
  async again(item) {
    const file = item.kind === "file" ? await getSound(item.id) : null;
    if (item.kind === "file" && !file) throw new ApiError(texts.work.noSound);
    const fresh = await changeItem(item.id, { status: "working", problem: "", job: "" });
    this.#add(new Run(fresh, item.options, file ? { file } : { url: item.url }), (run) => this.#transcribe(run));
  }

  async cancel(id) {
    const run = this.runs.get(id);
    if (!run) return;
    run.ended.abort();
    if (run.item.job) await request(`/v1/audio/jobs/${run.item.job}/cancel`, { method: "POST" }).catch(() => {});
    await this.#finish(run, "cancelled", { status: "cancelled" });
  }

  #add(run, start) {
    run.start = start;
    this.runs.set(run.id, run);
    navigator.locks?.request(lockOf(run.id), () => run.finished);
    this.#changed(run);
    this.#next();
  }

  #next() {
    const all = [...this.runs.values()];
    const busy = all.filter((run) => !run.item.job && ["uploading", "working"].includes(run.state)).length;
    let free = AT_ONCE - busy;
    for (const run of all.filter((one) => one.state === "waiting")) {
      if (!run.item.job && free <= 0) continue;
      free -= run.item.job ? 0 : 1;
      run.state = run.item.job ? "working" : "uploading";
      this.#run(run);
    }
  }

  async #run(run) {
    try {
      await run.start(run);
    } catch (error) {
      if (run.ended.signal.aborted) return;
      await this.#finish(run, "failed", { status: "failed", problem: readable(error) });
    } finally {
      this.#next();
    }
  }

  async #transcribe(run) {
    const long = run.total ? run.total > LONG_SECONDS : run.item.size > LONG_BYTES || run.item.kind === "url";
    if (long && this.server.jobs) await this.#submit(run);
    else await this.#stream(run);
  }

  #uploading(run) {
    return (share) => {
      run.uploaded = share;
      if (share >= 1 && run.state === "uploading") {
        run.state = "working";
        run.began = performance.now();
      }
      this.#changed(run);
    };
  }

  async #submit(run) {
    const form = formOf(run);
    if (run.options.translate) form.append("task", "translate");
    const more = { "idempotency-key": `page-${run.id}-${run.item.created}` };
    const job = await postForm("/v1/audio/jobs", form, {
      onUpload: this.#uploading(run),
      signal: run.ended.signal,
      more,
    });
    run.item = (await changeItem(run.id, { job: job.id })) || run.item;
    run.state = "working";
    this.#changed(run);
    this.#next();
    await this.#follow(run);
  }

  /** Until the job has ended, however often the connection is lost meanwhile. */
  async #follow(run) {
    let [last, failures, ended] = ["", 0, null];
    const path = `/v1/audio/jobs/${run.item.job}`;
    while (!ended) {
      try {
        const more = last ? { "last-event-id": last } : {};
        for await (const event of events(`${path}/events`, { signal: run.ended.signal, more })) {
          [last, failures] = [event.id || last, 0];
          this.#jobEvent(run, event);
        }
        const job = await getJson(path, { signal: run.ended.signal });
        if (!["queued", "running"].includes(job.status)) ended = job;
      } catch (error) {
        if (error.code !== "offline" && !(error.status >= 500)) throw error;
        failures += 1;
      }
      if (!ended) await pause(AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)], run.ended.signal);
    }
    if (ended.status === "cancelled") return this.#finish(run, "cancelled", { status: "cancelled" });
    return this.#done(run, await getJson(`${path}/result?response_format=verbose_json&file=0`));
  }

  #jobEvent(run, { event, data }) {
    if (event === "job.progress") {
      run.began ||= performance.now();
      Object.assign(run, { seconds: data.audio_seconds_done, total: data.audio_seconds_total || run.total });
    }
    if (event === "transcript.segment") run.segments.push(segment(data));
    this.#changed(run);
  }

  async #stream(run) {
    const form = formOf(run);
    form.append("stream", "true");
    let body = null;
    let failed = null;
    const onEvent = ({ data }) => {
      if (data.error) failed = data;
      else if (data.type === "transcript.text.done") body = data;
      else run.segments.push(segment({ start: data.start, end: data.end, text: ` ${data.delta.trim()}` }));
      run.state = "working";
      run.seconds = data.end || run.seconds;
      this.#changed(run);
    };
    const path = `/v1/audio/${run.options.translate ? "translations" : "transcriptions"}`;
    await postForm(path, form, { onUpload: this.#uploading(run), onEvent, signal: run.ended.signal });
    if (failed) throw apiError(500, failed);
    if (!body) throw new ApiError(texts.errors.offline, { code: "offline" });
    await this.#done(run, body);
  }

  async #done(run, body) {
    await putText({ id: run.id, segments: segmentsOf(body), names: {}, peaks: peaksOf(body), ...factsOf(body) });
    const facts = factsOf(body);
    await this.#finish(run, "done", {
      status: "done",
      duration: facts.duration,
      language: facts.language,
      coverage: facts.coverage,
      languageProbability: run.options.language ? null : facts.languageProbability,
      opening: opening(body.text),
    });
  }

  async #finish(run, state, fields) {
    run.state = state;
    run.problem = fields.problem || "";
    run.item = (await changeItem(run.id, fields)) || run.item;
    this.runs.delete(run.id);
    run.finish();
    this.#changed(run);
    this.#next();
  }

  #changed(run) {
    this.dispatchEvent(new CustomEvent("change", { detail: run }));
  }
}

export const work = new Work();

function lockOf(id) {
  return `whisper-endpoint-${id}`;
}

/** Whether another tab of this browser works on it. Without https, tabs do not know of each other. */
async function inAnotherTab(id) {
  const found = await navigator.locks?.query();
  return Boolean(found?.held.some((lock) => lock.name === lockOf(id)));
}

/** The form of a request for a run. */
function formOf(run) {
  const { options, source } = run;
  const form = new FormData();
  form.append("response_format", "verbose_json");
  form.append("peaks", String(run.total ? Math.min(MOST_PEAKS, Math.ceil(run.total * PEAKS_A_SECOND)) : UNKNOWN_PEAKS));
  for (const name of ["model", "language", "hotwords"]) if (options[name]) form.append(name, options[name]);
  for (const name of options.vocabularies || []) form.append("vocabulary[]", name);
  if (options.words && !options.translate) {
    for (const one of ["segment", "word"]) form.append("timestamp_granularities[]", one);
  }
  if (options.speakers) form.append("diarize", "true");
  if (source.url) form.append("url", source.url);
  else form.append("file", source.file, source.file.name || "recording.wav"); // last: fields are read before it
  return form;
}

function nameOf(url) {
  try {
    const parts = new URL(url);
    return decodeURIComponent(parts.pathname.split("/").filter(Boolean).at(-1) || parts.hostname);
  } catch {
    return url;
  }
}

/** The first words of a text, for lists. */
export function opening(text) {
  const plain = (text || "").trim();
  return plain.length > 160 ? `${plain.slice(0, 158).trimEnd()}…` : plain;
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const waiting = setTimeout(resolve, milliseconds);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(waiting);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}
