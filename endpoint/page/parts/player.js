// Plays a recording, and draws it: the waveform by the server's peaks, and the spectrum of what is playing by choice.

import { button, el, fill, icon, select } from "../dom.js";
import { hasPicture } from "../media.js";
import { texts } from "../texts.js";
import { clock } from "../transcript.js";
import { Spectrogram } from "./spectrogram.js";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3];
const BACK_SECONDS = 3;
const ZOOMS = [0, 10, 25, 60, 120]; // pixels a second; 0: the whole recording

/** Sends "time" with `detail`, the position in seconds, and "state" when it starts or stops playing. */
export class Player extends EventTarget {
  constructor({ duration, peaks, name }) {
    super();
    this.duration = duration || 0;
    this.peaks = peaks;
    this.media = null;
    this.until = Infinity; // where playing stops by itself
    this.#build(name);
  }

  #build(name) {
    const act = (run) => ({ on: { click: run } });
    this.playButton = button(texts.player.play, {
      symbol: "play",
      quiet: true,
      class: "button primary round",
      ...act(() => this.toggle()),
    });
    const back = button(texts.player.back, { symbol: "back", quiet: true, ...act(() => this.step(-BACK_SECONDS)) });
    this.time = el("span", { class: "numbers" }, clock(0));
    this.position = el("input", {
      type: "range",
      min: 0,
      max: this.duration || 1,
      step: 0.1,
      value: 0,
      "aria-label": texts.player.position,
      class: "position",
    });
    this.position.addEventListener("input", () => this.seek(Number(this.position.value)));
    this.speed = select(
      SPEEDS.map((one) => [String(one), `${one}×`]),
      "1",
      {
        "aria-label": texts.player.speed,
        class: "speed",
        on: { change: () => this.setSpeed(Number(this.speed.value)) },
      },
    );
    this.wave = el("div", { class: "wave", "aria-hidden": "true" });
    this.zoom = select(
      ZOOMS.map((one, k) => [String(one), texts.player.zooms[k]]),
      "0",
      { "aria-label": texts.player.zoom, on: { change: () => this.waves?.zoom(Number(this.zoom.value)) } },
    );
    this.spectrum = button(texts.player.spectrum, {
      kind: "small",
      "aria-pressed": "false",
      ...act(() => this.#toggleSpectrum()),
    });
    this.canvas = el("canvas", {
      class: "spectrum",
      hidden: true,
      role: "img",
      "aria-label": texts.player.spectrumAbout,
    });
    this.stage = el("div", { class: "stage", hidden: true });
    this.message = el("div", { class: "row player-message", hidden: true });
    this.controls = el(
      "div",
      { class: "row controls" },
      back,
      this.playButton,
      this.time,
      el("span", { class: "muted numbers" }, `/ ${clock(this.duration)}`),
      el("div", { class: "row end" }, this.spectrum, this.zoom, this.speed),
    );
    this.root = el(
      "section",
      { class: "player", "aria-label": texts.player.title(name) },
      this.stage,
      this.canvas,
      this.position,
      this.wave,
      this.controls,
      this.message,
    );
  }

  /** Uses a recording. null: there is none here, and `choose` is offered. */
  use(blob, choose) {
    this.#release();
    this.controls.hidden = this.position.hidden = this.wave.hidden = !blob;
    this.message.hidden = Boolean(blob);
    this.blob = blob;
    if (!blob) {
      fill(this.message, el("span", { class: "muted" }, texts.player.noSound), choose);
      return;
    }
    this.address = URL.createObjectURL(blob);
    this.media = el(hasPicture(blob) ? "video" : "audio", { preload: "metadata", playsinline: true });
    this.media.src = this.address;
    this.stage.hidden = !hasPicture(blob);
    fill(this.stage, this.media);
    for (const event of ["play", "pause", "ended"]) this.media.addEventListener(event, () => this.#state());
    for (const event of ["timeupdate", "seeking"]) this.media.addEventListener(event, () => this.#moved());
    this.media.addEventListener("error", () => this.#unplayable());
    this.setSpeed(Number(this.speed.value));
    this.#draw();
  }

  get playing() {
    return Boolean(this.media && !this.media.paused && !this.media.ended);
  }

  get at() {
    return this.media?.currentTime || 0;
  }

  toggle() {
    this.until = Infinity;
    if (this.playing) this.media.pause();
    else this.#start();
  }

  /** Plays from one time on, up to another if there is one. */
  play(from, until = Infinity) {
    if (!this.media) return;
    this.until = until;
    this.media.currentTime = from;
    this.#start();
  }

  seek(time) {
    if (!this.media) return;
    this.until = Infinity;
    this.media.currentTime = Math.max(0, Math.min(time, this.duration || time));
  }

  step(seconds) {
    this.seek(this.at + seconds);
  }

  /** The next faster or slower speed. */
  faster(steps) {
    const at = SPEEDS.indexOf(Number(this.speed.value)) + steps;
    const next = SPEEDS[Math.max(0, Math.min(at, SPEEDS.length - 1))];
    this.speed.value = String(next);
    this.setSpeed(next);
    return next;
  }

  setSpeed(speed) {
    if (this.media) this.media.playbackRate = speed;
  }

  end() {
    this.#release();
  }

  #start() {
    this.media?.play().catch((error) => error.name !== "AbortError" && this.#unplayable());
  }

  #unplayable() {
    this.message.hidden = false;
    fill(this.message, el("span", { class: "problem", role: "alert" }, texts.player.unplayable));
  }

  #state() {
    const text = this.playing ? texts.player.pause : texts.player.play;
    fill(this.playButton, icon(this.playing ? "pause" : "play"));
    this.playButton.setAttribute("aria-label", text);
    this.playButton.title = text;
    if (this.playing) this.#tick();
    this.dispatchEvent(new Event("state"));
  }

  #tick() {
    if (!this.playing) return;
    this.#moved();
    this.frame = requestAnimationFrame(() => this.#tick());
  }

  #moved() {
    const time = this.at;
    if (time >= this.until) {
      this.media.pause();
      this.until = Infinity;
    }
    const shown = clock(time);
    if (this.time.textContent !== shown) {
      this.time.textContent = shown;
      this.position.value = time;
      this.position.setAttribute("aria-valuetext", texts.player.of(shown, clock(this.duration)));
    }
    this.dispatchEvent(new CustomEvent("time", { detail: time }));
  }

  async #draw() {
    this.position.classList.toggle("unseen", Boolean(this.peaks && this.duration));
    if (!this.peaks || !this.duration) {
      this.wave.hidden = this.zoom.hidden = true;
      return;
    }
    const { default: WaveSurfer } = await import("../vendor/wavesurfer.js");
    if (!this.media || this.waves) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    this.waves = WaveSurfer.create({
      container: this.wave,
      media: this.media,
      height: 56,
      normalize: true,
      peaks: [Float32Array.from(this.peaks, (one) => one / 255)],
      duration: this.duration,
      waveColor: colour("--wave"),
      progressColor: colour("--accent"),
      cursorColor: colour("--ink"),
      cspNonce: document.querySelector('meta[name="csp-nonce"]').nonce,
      dragToSeek: true,
      barWidth: 2,
      barGap: 1,
      barRadius: 2,
    });
    this.waves.on("interaction", () => {
      this.until = Infinity;
    });
  }

  #toggleSpectrum() {
    const on = this.canvas.hidden;
    this.canvas.hidden = !on;
    this.spectrum.setAttribute("aria-pressed", String(on));
    if (on) (this.spectrogram ||= new Spectrogram(this.canvas)).follow(this.media);
    else this.spectrogram?.pause();
  }

  #release() {
    cancelAnimationFrame(this.frame);
    this.spectrogram?.end();
    this.spectrogram = null;
    this.canvas.hidden = true;
    this.spectrum.setAttribute("aria-pressed", "false");
    this.media?.pause();
    this.waves?.destroy();
    this.waves = null;
    this.media?.removeAttribute("src");
    this.media?.load();
    this.media = null;
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = "";
  }
}
