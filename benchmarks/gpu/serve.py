"""`endpoint serve` with the engine of benchmarks/gpu/steady.py: python -m benchmarks.gpu.serve [FLAGS]

Nothing is imported before it runs: vLLM's engine process imports this file again, and its CPU build fails where it
finds numba among the modules.
"""

from __future__ import annotations

import sys


def main() -> int:
    from benchmarks.gpu.steady import SteadyEngine
    from endpoint.__main__ import main as command
    from endpoint.engine import client as vllm

    vllm.VllmEngine = SteadyEngine  # type: ignore[misc]
    return command(["serve", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
