"""Train the test model: seeded, resumable, progress shown.

    python -m demo_model.train [--folder build/demo-model] [--steps N] [--phrases N]

What makes a small Whisper learn in minutes rather than days, each found by trying:
windows grow from 3 s to 30 s; every encoder frame is also asked which word is spoken there; one decoder head is
asked where the last word was, two where the next one is; timestamps share one linear map; Muon for matrices.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.audio_utils import mel_filter_bank

from demo_model import corpus
from demo_model.export import export
from demo_model.network import Network, Shape
from demo_model.speech import SAMPLE_RATE
from demo_model.tokenizer import Ids
from demo_model.windows import FRAME, IGNORE, Example, WindowMaker, corrupt, frame_span, random_offset

SEED = 20261121
# (until this share of the steps, window lengths in seconds to draw from)
STAGES = (
    (0.12, (2, 3, 4)),
    (0.28, (3, 5, 8)),
    (0.45, (4, 8, 12)),
    (0.62, (6, 12, 20)),
    (1.00, (4, 8, 15, 30, 30)),
)
AUDIO_PER_STEP = 160  # seconds
PEAK_RATE = 2e-3
EMA = 0.998
LANGUAGE_WEIGHT = 8.0  # of the one token a window that names its language, against each of its words


@dataclass
class Batch:
    sound: Tensor  # float32 [b, n]
    tokens: Tensor  # int64 [b, l]
    targets: Tensor  # int64 [b, l]
    here: Tensor  # int64 [b, l, 2], encoder frames
    next: Tensor
    frames: Tensor  # int64 [b, t]
    offset: int


def collate(examples: list[Example], tokens: list[list[int]], ids: Ids, offset: int) -> Batch:
    length, count = max(len(e.tokens) for e in examples), len(examples)
    frames = len(examples[0].samples) // FRAME
    made = {name: torch.zeros(count, length, 2, dtype=torch.long) for name in ("here", "next")}
    read = torch.full((count, length), ids.eot)
    targets = torch.full((count, length), IGNORE)
    spoken = torch.zeros(count, frames, dtype=torch.long)
    for row, (example, seen) in enumerate(zip(examples, tokens, strict=True)):
        n = len(seen)
        read[row, :n] = torch.tensor(seen)
        targets[row, :n] = torch.tensor(example.targets)
        for name, spans in (("here", example.here), ("next", example.next)):
            made[name][row, :n] = torch.tensor([frame_span(s, frames) for s in spans])
        for start, end, word in example.frames:
            first, last = frame_span((start, end), frames)
            spoken[row, first:last] = word
    sound = torch.from_numpy(np.stack([e.samples for e in examples]))
    return Batch(sound, read, targets, made["here"], made["next"], spoken, offset)


class LogMel:
    """Whisper's features, with a random equaliser on top: voices through telephones, codecs and rooms."""

    def __init__(self, mels: int) -> None:
        bank = mel_filter_bank(201, mels, 0.0, 8000.0, SAMPLE_RATE, norm="slaney", mel_scale="slaney")
        self.filters = torch.tensor(bank, dtype=torch.float32).T
        self.window = torch.hann_window(400)
        self.mels = mels

    def __call__(self, sound: Tensor) -> Tensor:
        power = torch.stft(sound, 400, 160, window=self.window, return_complex=True)[..., :-1].abs().square()
        mel = self.filters @ power * self._equaliser(len(sound))
        logs = mel.clamp(min=1e-10).log10()
        logs = torch.maximum(logs, logs.amax(dim=(1, 2), keepdim=True) - 8)
        return (logs + 4) / 4

    def _equaliser(self, count: int) -> Tensor:
        knots = torch.randn(count, 1, 6) * 0.35 * (torch.rand(count, 1, 1) < 0.6)
        gain = F.interpolate(knots, self.mels, mode="linear", align_corners=True)
        cut = torch.where(torch.rand(count, 1, 1) < 0.12, torch.randint(50, self.mels, (count, 1, 1)), self.mels)
        gain = gain - 6 * (torch.arange(self.mels) >= cut)
        return (10**gain).mT


def span_loss(logs: Tensor, spans: Tensor) -> Tensor:
    """Cross-entropy of attention [b, l, t] against an even spread over its span [b, l, 2]."""
    at = torch.arange(logs.shape[-1])
    inside = (at >= spans[..., :1]) & (at < spans[..., 1:])
    width = inside.sum(-1)
    even = -(logs.clamp(min=-12) * inside).sum(-1) / width.clamp(min=1)
    return even[width > 0].mean() if bool((width > 0).any()) else logs.sum() * 0


def token_loss(logits: Tensor, targets: Tensor, ids: Ids) -> tuple[Tensor, Tensor]:
    """(text, timestamps): cross-entropy; a timestamp one or two steps off is a small error."""
    words = (targets >= 0) & (targets < ids.first_time)
    times = targets >= ids.first_time
    names = torch.isin(targets[words], torch.tensor([*ids.languages.values(), ids.no_speech]))
    each = F.cross_entropy(logits[words].float(), targets[words], reduction="none")
    weight = 1.0 + (LANGUAGE_WEIGHT - 1.0) * names
    text = (each * weight).sum() / weight.sum()
    if not bool(times.any()):
        return text, text * 0
    logs, aim = logits[times].float().log_softmax(-1), targets[times]
    near = torch.zeros(len(aim))
    for step, weight in ((0, 0.4), (-1, 0.2), (1, 0.2), (-2, 0.1), (2, 0.1)):
        place = (aim + step).clamp(ids.first_time, ids.size - 1)
        near = near - weight * logs.gather(1, place[:, None])[:, 0]
    return text, near.mean()


def optimizers(network: Network) -> list[torch.optim.Optimizer]:
    named = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
    matrix = [p for n, p in named if p.ndim == 2 and ".layers." in n]
    other = [p for n, p in named if not (p.ndim == 2 and ".layers." in n)]
    return [
        torch.optim.Muon(matrix, lr=PEAK_RATE, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(other, lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def rate_at(step: int, steps: int) -> float:
    """Warm-up, level, then linear to almost nothing over the last half."""
    return min(1.0, (step + 1) / 200, max(0.01, 2 * (1 - step / steps)))


class Trainer:
    def __init__(self, folder: Path, steps: int, phrases: int) -> None:
        self.folder, self.steps, self.ids = folder, steps, Ids.build()
        corpus.build(folder / "train", phrases, seed=1)
        self.maker = WindowMaker(corpus.load(folder / "train"), self.ids, seed=SEED)
        torch.manual_seed(SEED)
        self.network = Network(Shape(self.ids.size, self.ids.eot))
        self.average = Network(self.network.shape)
        self.average.load_state_dict(self.network.state_dict())
        self.opts = optimizers(self.network)
        self.mel, self.step, self.seconds = LogMel(self.network.shape.mels), 0, 0.0
        self._resume()

    # ---- state ------------------------------------------------------------------------------------

    def _resume(self) -> None:
        path = self.folder / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for opt, kept in zip(self.opts, state["optimizers"], strict=True):
            opt.load_state_dict(kept)
        self.step, self.seconds = state["step"], state["seconds"]
        print(f"resumed at step {self.step:,}", flush=True)

    def save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [opt.state_dict() for opt in self.opts],
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(state, self.folder / "state.tmp")
        os.replace(self.folder / "state.tmp", self.folder / "state.pt")
        export(self.average, self.ids, self.folder / "model")

    # ---- work -------------------------------------------------------------------------------------

    def batch(self) -> Batch:
        rng = random.Random(SEED + self.step)
        share = self.step / self.steps
        seconds = rng.choice(next(lengths for until, lengths in STAGES if share < until or until == 1.0))
        long_prompts = seconds <= 8 and rng.random() < 0.03
        count = max(4, AUDIO_PER_STEP // seconds // (4 if long_prompts else 1))
        offset = random_offset(rng, seconds)
        examples, tokens = [], []
        for _ in range(count):
            prompt = 0
            if long_prompts:
                prompt = rng.randint(40, 220)
            elif rng.random() < 0.12:
                prompt = rng.randint(1, 30)
            example = self.maker.example(rng, seconds, offset, prompt)
            examples.append(example)
            tokens.append(corrupt(rng, example, self.ids, rng.choice((0, 0.03, 0.1))))
        return collate(examples, tokens, self.ids, offset)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        mel = self.mel(batch.sound)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            source = self.network.encoder(mel, batch.offset)
            spoken = self.network.frame_head(source)
            logits, logs = self.network.decoder(batch.tokens, source)
        text, times = token_loss(logits, batch.targets, self.ids)
        shape = self.network.shape
        return {
            "text": text,
            "times": times,
            "frames": F.cross_entropy(spoken.float().flatten(0, 1), batch.frames.flatten()),
            "here": sum(span_loss(logs[head], batch.here) for head in shape.here) / len(shape.here),
            "next": sum(span_loss(logs[head], batch.next) for head in shape.next) / len(shape.next),
        }

    def update(self, losses: dict[str, Tensor]) -> None:
        share = self.step / self.steps
        frames = 1.0 if share < 0.3 else 0.3
        total = losses["text"] + 0.3 * losses["times"] + frames * losses["frames"]
        total = total + 0.15 * (losses["here"] + losses["next"])
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for opt in self.opts:
            for group in opt.param_groups:
                group["lr"] = PEAK_RATE * rate_at(self.step, self.steps)
            opt.step()
            opt.zero_grad()
        decay = min(EMA, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for kept, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)

    def run(self) -> None:
        seen: dict[str, list[float]] = {}
        began = time.perf_counter() - self.seconds
        while self.step < self.steps:
            losses = self.losses(self.batch())
            self.update(losses)
            self.step += 1
            self.seconds = time.perf_counter() - began
            for name, value in losses.items():
                seen.setdefault(name, []).append(value.item())
            if self.step % 50 == 0 or self.step == self.steps:
                means = "  ".join(f"{name} {np.nanmean(values):.3f}" for name, values in seen.items())
                left = self.seconds / self.step * (self.steps - self.step)
                print(
                    f"step {self.step:,}/{self.steps:,}  {means}  {self.seconds:.0f} s, about {left / 60:.0f} min left",
                    flush=True,
                )
                seen = {}
            if self.step % 250 == 0:
                self.save()
        self.save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/demo-model"))
    parser.add_argument("--steps", type=int, default=8_500)
    parser.add_argument("--phrases", type=int, default=30_000)
    args = parser.parse_args()
    torch.set_num_threads(max(1, min(16, math.floor(len(os.sched_getaffinity(0))))))
    Trainer(args.folder, args.steps, args.phrases).run()


if __name__ == "__main__":
    main()
