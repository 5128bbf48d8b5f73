"""Where the time of a decoder step goes: python -m benchmarks.gpu.steps [--model large-v3] [--small]

Our engine on random weights, with as many windows as there are rows, greedy and with a beam of 5. For each, three
periods of the same work: the time between steps, of those that admit windows and of those that do not; the time that
the device is busy in a step, by kernel; the time that the engine's process spends in Python, by function. The last two
are slower than the first, as they are watched more closely.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import itertools
import os
import pstats
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from benchmarks.gpu import model
from benchmarks.gpu.lines import BEAMS, ENGINE, FULL, LARGE, SMALL, TURBO, Run
from endpoint.engine.inside.model import WorkerExtension

MOST = 24  # kernels and functions shown
WINDOWS = 4  # a caller, in a period
WATCHES = ["steps", "device", "host"]
SETTLE = 0.25  # of a period's windows are decoded before it is watched


class Watch(WorkerExtension):
    """The worker's extension with three ways to watch; the result of each is msgpack of [(name, seconds, times)]."""

    _whisper_stop: Callable[[], list[tuple[str, float, int]]]

    def whisper_watch(self, what: str) -> None:
        self._whisper_stop = {"steps": self._steps, "device": self._device, "host": self._host}[what]()

    def whisper_watched(self) -> bytes:
        return msgspec.msgpack.encode(self._whisper_stop())

    def _steps(self) -> Callable[[], list[tuple[str, float, int]]]:
        runner, begun = self.model_runner, list[tuple[float, str]]()
        execute = runner.execute_model

        def watched(output: Any, *given: Any, **named: Any) -> Any:
            if output.num_scheduled_tokens:
                begun.append((time.perf_counter(), "admits" if output.scheduled_new_reqs else "decodes"))
            return execute(output, *given, **named)

        def stop() -> list[tuple[str, float, int]]:
            runner.execute_model = execute
            return [(kind, after - at, 1) for (at, kind), (after, _) in itertools.pairwise(begun)]

        runner.execute_model = watched
        return stop

    def _device(self) -> Callable[[], list[tuple[str, float, int]]]:
        cuda = torch.cuda.is_available()
        kinds = torch.profiler.ProfilerActivity
        profile = torch.profiler.profile(activities=[kinds.CUDA if cuda else kinds.CPU], acc_events=True)
        profile.start()

        def stop() -> list[tuple[str, float, int]]:
            profile.stop()
            events = profile.key_averages()
            spent = [e.self_device_time_total if cuda else e.self_cpu_time_total for e in events]
            return [(e.key, micro / 1e6, e.count) for e, micro in zip(events, spent, strict=True)]

        return stop

    def _host(self) -> Callable[[], list[tuple[str, float, int]]]:
        profile = cProfile.Profile()
        profile.enable()

        def stop() -> list[tuple[str, float, int]]:
            profile.disable()
            stats: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
            return [(_short(*at), row[2], row[1]) for at, row in stats.items()]

        return stop


def _short(file: str, line: int, name: str) -> str:
    return f"{'/'.join(file.split('/')[-2:])}:{line} {name}"


async def watched(engine: Any, decode: Callable[[], Any], callers: int, what: str) -> tuple[list[Any], int]:
    """Rows, and the steps there were, of WINDOWS windows a caller, watched while all callers are at work."""
    count, done, steps, found = WINDOWS * callers, 0, list[int](), list[Any]()
    numbers, first, last = iter(range(count)), round(SETTLE * count), count - callers

    async def caller() -> None:
        nonlocal done
        for _ in numbers:
            await decode()
            done += 1
            if done == first:
                steps.append((await engine.steps())[0])
                await engine._ask("whisper_watch", what)
            elif done == last:
                found.extend(msgspec.msgpack.decode(await engine._ask("whisper_watched")))
                steps.append((await engine.steps())[0])

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    return found, steps[1] - steps[0]


def show(what: str, rows: list[tuple[str, float, int]], steps: int) -> None:
    if what == "steps":
        for kind in ("admits", "decodes"):
            took = 1000 * np.array([seconds for name, seconds, _ in rows if name == kind] or [np.nan])
            quarters = ", ".join(f"{value:.2f}" for value in np.percentile(took, [10, 50, 90]))
            print(f"  a step that {kind:8} {len(took):5} times, ms: mean {took.mean():.2f}; 10, 50, 90 %: {quarters}")
        return
    total = sum(seconds for _, seconds, _ in rows)
    print(f"  {what}: {1000 * total / max(1, steps):.2f} ms a step; ms a step, times a step")
    for name, seconds, times in sorted(rows, key=lambda row: -row[1])[:MOST]:
        print(f"  {1000 * seconds / max(1, steps):9.3f} {times / max(1, steps):8.1f}  {name[:110]}")


async def measure(size: Any, name: str, watches: list[str]) -> None:
    from benchmarks.gpu.steady import SteadyEngine
    from endpoint.bench.recordings import WORKLOADS, make
    from endpoint.config import load_settings
    from endpoint.options import Options, Sampling
    from endpoint.types import Window

    sounds = [recording.samples for recording in make(WORKLOADS["packed"])]
    turn = itertools.cycle(sounds)
    engine = SteadyEngine(load_settings())
    await engine.start()
    try:
        for beams in (1, BEAMS):
            options = Options(language="en", sampling=Sampling(beam_size=beams))
            callers = max(1, size.slots // beams)

            async def decode(options: Options = options) -> None:
                await engine.decode(Window(0, next(turn)), options)

            await asyncio.gather(*(decode() for _ in range(callers)))  # warms up
            for what in watches:
                before, began = await engine.steps(), time.perf_counter()
                rows, steps = await watched(engine, decode, callers, what)
                seconds, after = time.perf_counter() - began, await engine.steps()
                if what == "steps":
                    rate, (passed, filled) = WINDOWS * callers / seconds, np.subtract(after, before)
                    print(f"{name}, {beams} beams, {callers} windows at once: {rate:.1f} windows/s")
                    print(f"  {1000 * seconds / passed:.2f} ms a step of {filled / passed:.0f} rows")
                show(what, rows, steps)
    finally:
        await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=[LARGE, TURBO], default=LARGE)
    parser.add_argument("--small", action="store_true", help="a tiny model, on any machine")
    parser.add_argument("--watch", nargs="+", choices=WATCHES, default=WATCHES)
    parser.add_argument("--folder", type=Path, default=Path("build/gpu"))
    args = parser.parse_args()
    size = SMALL if args.small else FULL
    run = Run(ENGINE, args.model, "fp8", size.slots, size.encoder)
    folder = model.build(args.model, args.folder / f"{args.model}-{'small' if args.small else 'full'}", size.layers)
    os.environ.update(run.environment(str(folder)))
    given = msgspec.json.decode(os.environ["ENGINE_ARGS"])
    extension = "benchmarks.gpu.steps.Watch"
    os.environ["ENGINE_ARGS"] = msgspec.json.encode({**given, "worker_extension_cls": extension}).decode()
    os.environ["GPU_TOKENS"] = str(size.tokens)
    asyncio.run(measure(size, args.model, args.watch))


if __name__ == "__main__":
    main()
