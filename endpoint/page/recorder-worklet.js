// Runs beside the sound: any rate and channels of a microphone to 24 kHz mono, 16 bit, a tenth of a second at a time.

const RATE = 24_000;
const BLOCK = RATE / 10;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.ratio = sampleRate / RATE; // of samples that come in for one that goes out
    this.block = new Int16Array(BLOCK);
    this.filled = 0;
    this.sum = 0; // of what came in for the next sample, and how much of it
    this.weight = 0;
    this.port.onmessage = () => this.send();
  }

  process([channels]) {
    if (!channels.length) return true;
    for (let at = 0; at < channels[0].length; at += 1) {
      let value = 0;
      for (const channel of channels) value += channel[at];
      this.take(value / channels.length);
    }
    return true;
  }

  /** Each sample that goes out is the mean of what came in during its time. */
  take(value) {
    let rest = 1;
    while (this.weight + rest >= this.ratio) {
      const part = this.ratio - this.weight;
      this.put((this.sum + value * part) / this.ratio);
      rest -= part;
      this.sum = 0;
      this.weight = 0;
    }
    this.sum += value * rest;
    this.weight += rest;
  }

  put(value) {
    this.block[this.filled] = Math.max(-1, Math.min(1, value)) * 32767;
    this.filled += 1;
    if (this.filled === BLOCK) this.send();
  }

  send() {
    const block = this.block.slice(0, this.filled);
    this.filled = 0;
    this.port.postMessage(block, [block.buffer]);
  }
}

registerProcessor("recorder", Recorder);
