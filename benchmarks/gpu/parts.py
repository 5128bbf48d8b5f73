"""What the rules and beam search cost in a decoder step, each by itself: python -m benchmarks.gpu.parts [--rows 128]

On the card where there is one, else on the CPU, with the vocabulary of large-v3. Milliseconds of a step, and of those
what the host spends before the device is waited for.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.gpu.lines import BEAMS, LARGE
from benchmarks.gpu.model import build
from endpoint.engine.beam import Beam
from endpoint.engine.inside.beams import Beams
from endpoint.engine.inside.rules import Grammar, RowRules
from endpoint.engine.tokens import WhisperTokens

TIMES = 30


def measure(device: str, work: Callable[[], object]) -> tuple[float, float]:
    """(milliseconds of one call, milliseconds of the host alone)."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(3):
        work()
    wait()
    began = time.perf_counter()
    for _ in range(TIMES):
        work()
    host = time.perf_counter() - began
    wait()
    return 1000 * (time.perf_counter() - began) / TIMES, 1000 * host / TIMES


def parts(device: str, rows: int) -> dict[str, tuple[float, float]]:
    rows -= rows % BEAMS
    with tempfile.TemporaryDirectory() as folder:
        tokens = WhisperTokens.load(build(LARGE, Path(folder), layers=1))
    grammar, beams = Grammar(tokens, rows, device), Beams(tokens, rows, device)
    for row in range(rows):
        grammar.add(row, RowRules(tokens.transcribe, tokens.languages["en"]))
        beams.add(row, Beam(str(row // BEAMS), row % BEAMS, BEAMS, BEAMS))
    logits, generated = torch.randn(rows, tokens.vocabulary, device=device), torch.full((rows,), 50, device=device)
    for _ in range(3):  # language, task and the first token
        grammar.advance(slice(rows), generated)
    groups, _ = beams.groups()
    moves = beams.rank(logits.clone(), groups)
    work: dict[str, Callable[[], object]] = {
        "a copy of the logits": logits.clone,
        "the rules": lambda: grammar.apply(logits.clone(), opening=False),
        "taking note of tokens": lambda: grammar.advance(slice(rows), generated),
        "ranking": lambda: beams.rank(logits.clone(), groups),
        "the rules' state of beams": lambda: grammar.take(moves.rows, moves.parents),
    }
    return {name: measure(device, each) for name, each in work.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=128)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"{torch.cuda.get_device_name() if device == 'cuda' else 'CPU'}, ms a step (the host's)")
    for name, (whole, host) in parts(device, parser.parse_args().rows).items():
        print(f"{name:28} {whole:7.3f} ({host:.3f})")


if __name__ == "__main__":
    main()
