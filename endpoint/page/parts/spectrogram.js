// The spectrum of what is playing, drawn from right to left: nothing has to be decoded in advance for it.

const BINS = 1024; // of the transform; half of them are frequencies
const HIGHEST = 8000; // Hz: speech has little above
const COLUMN = 2; // pixels of a frame

export class Spectrogram {
  constructor(canvas) {
    this.canvas = canvas;
    this.drawing = canvas.getContext("2d", { willReadFrequently: false });
    this.running = false;
  }

  /** Draws what a media element plays from now on. */
  follow(media) {
    if (!this.context) {
      this.context = new AudioContext();
      this.analyser = this.context.createAnalyser();
      Object.assign(this.analyser, { fftSize: BINS * 2, smoothingTimeConstant: 0, minDecibels: -95, maxDecibels: -25 });
      const source = this.context.createMediaElementSource(media);
      source.connect(this.analyser);
      source.connect(this.context.destination);
      this.media = media;
      this.bins = new Uint8Array(this.analyser.frequencyBinCount);
    }
    this.context.resume();
    this.canvas.width = Math.round(this.canvas.clientWidth) || 600;
    this.canvas.height = 96;
    this.colours = scale(getComputedStyle(this.canvas));
    this.drawing.fillStyle = this.colours[0];
    this.drawing.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.running = true;
    this.#frame();
  }

  pause() {
    this.running = false;
    cancelAnimationFrame(this.next);
  }

  end() {
    this.pause();
    if (this.context?.state !== "closed") this.context?.close();
  }

  #frame() {
    if (!this.running) return;
    if (!this.media.paused) this.#column();
    this.next = requestAnimationFrame(() => this.#frame());
  }

  #column() {
    const { drawing, canvas, bins } = this;
    this.analyser.getByteFrequencyData(bins);
    drawing.drawImage(canvas, -COLUMN, 0);
    const used = Math.min(bins.length, Math.round((HIGHEST / (this.context.sampleRate / 2)) * bins.length));
    for (let y = 0; y < canvas.height; y += 1) {
      const bin = Math.floor((1 - y / canvas.height) * (used - 1));
      drawing.fillStyle = this.colours[bins[bin]];
      drawing.fillRect(canvas.width - COLUMN, y, COLUMN, 1);
    }
  }
}

/** 256 colours from the quiet one to the loud one. */
function scale(style) {
  const [quiet, loud] = ["--sunken", "--accent"].map((name) => rgb(style.getPropertyValue(name).trim()));
  return Array.from({ length: 256 }, (_, k) => {
    const share = (k / 255) ** 0.8;
    return `rgb(${quiet.map((value, c) => Math.round(value + (loud[c] - value) * share)).join(" ")})`;
  });
}

function rgb(hex) {
  const full = hex.length === 4 ? [...hex.slice(1)].map((digit) => digit + digit).join("") : hex.slice(1);
  return [0, 2, 4].map((at) => parseInt(full.slice(at, at + 2), 16));
}
