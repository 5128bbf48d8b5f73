"""Processes that find speakers: what they send back, and what becomes of calls when they crash or are given up.

The process is the real one on a backend made up: the first sample of a recording says what it does.
"""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from endpoint.errors import DeadlineExceeded, DiarizationFailed, InvalidRequest, Overloaded, Unavailable
from endpoint.speakers import processes
from endpoint.speakers.processes import SpeakerProcesses
from endpoint.speakers.sources import Source
from endpoint.speakers.turns import Diarization, KnownSpeaker, SpeakerOptions, Turn
from endpoint.types import SAMPLE_RATE, Audio

pytestmark = pytest.mark.timeout(300)

PROGRAM = textwrap.dedent("""
    import os, sys, time
    from pathlib import Path
    from endpoint.speakers.turns import Turn
    from endpoint.speakers.worker import process
    from endpoint.speakers.worker.diarize import NobodySpeaks
    from endpoint.speakers.worker.pyannote import Unsupported

    class Backend:
        def diarize(self, blocks, least, most, known):
            first = next(iter(blocks))
            kind, folder = round(float(first[0]) * 32768), Path(sys.argv[2])
            (folder / "began").touch()
            if kind == 1:
                os._exit(7)
            if kind == 2:
                raise NobodySpeaks("Ann")
            if kind == 3:
                raise ValueError("broken")
            if kind == 4:
                while True:
                    time.sleep(0.01)
            if kind == 5:
                raise Unsupported("that")
            if kind == 6:
                return [Turn(number, number + 0.5, "A") for number in range(50_000)]
            count = len(first) + sum(map(len, blocks))
            print("a library prints this")
            names = [f"{name}:{len(sound)}" for name, sound in known]
            return [Turn(0.0, float(count), f"{os.getpid()} {least} {most} {names}")]

    process.BuiltIn, process.Models = lambda models: Backend(), lambda folder: None
    process.main()
""")
WORKS, CRASHES, NOBODY, BREAKS, HANGS, CANNOT, MANY = range(7)


def audio(kind: int, seconds: float = 1.0) -> Audio:
    samples = np.zeros(round(seconds * SAMPLE_RATE), np.int16)
    samples[:1] = kind
    return Audio(samples)


@asynccontextmanager
async def running(
    folder: Path,
    count: int = 1,
    timeout: float = 240.0,  # noqa: ASYNC109 - what is tested
) -> AsyncIterator[SpeakerProcesses]:
    made = SpeakerProcesses(Source.built_in(folder), count, timeout)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-P", "-c", PROGRAM))


async def began(folder: Path) -> None:
    while not (folder / "began").exists():  # noqa: ASYNC110 - what is waited for is another process
        await asyncio.sleep(0.01)
    (folder / "began").unlink()


def process_of(found: Diarization) -> int:
    return int(found.turns[0].speaker.split()[0])


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def test_samples_go_in_and_turns_come_out(tmp_path: Path) -> None:
    known = (KnownSpeaker("Ann", audio(9, 2)), KnownSpeaker("Bob", audio(9, 3)))
    async with running(tmp_path) as made:
        found = await made.diarize(audio(WORKS, 100), SpeakerOptions(minimum=2, maximum=4, known=known))
        (turn,) = found.turns
        assert isinstance(turn, Turn)
        assert turn.end == 100 * SAMPLE_RATE
        assert turn.speaker.endswith("2 4 ['Ann:32000', 'Bob:48000']")
        assert found.asked == 2
        assert found.found == 1
        again = await made.diarize(audio(WORKS), SpeakerOptions(num=3))
        assert again.turns[0].speaker.endswith("3 3 []")
        assert process_of(again) == process_of(found)
        assert len((await made.diarize(audio(MANY), SpeakerOptions())).turns) == 50_000


async def test_no_sound_needs_no_process(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        assert await made.diarize(audio(CRASHES, 0), SpeakerOptions(num=2)) == Diarization((), 2)


async def test_a_crash_costs_one_recording(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        before = await made.diarize(audio(WORKS), SpeakerOptions())
        with pytest.raises(DiarizationFailed, match="failed on this recording"):
            await made.diarize(audio(CRASHES, 1_000), SpeakerOptions())
        after = await made.diarize(audio(WORKS), SpeakerOptions())
        assert process_of(after) != process_of(before)


async def test_errors_leave_the_process_as_it_was(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        before = await made.diarize(audio(WORKS), SpeakerOptions())
        with pytest.raises(InvalidRequest, match="Ann") as refused:
            await made.diarize(audio(NOBODY, 1_000), SpeakerOptions())
        assert refused.value.param == "known_speaker_references[]"
        with pytest.raises(DiarizationFailed):
            await made.diarize(audio(BREAKS, 1_000), SpeakerOptions())
        with pytest.raises(InvalidRequest, match="cannot do that"):
            await made.diarize(audio(CANNOT), SpeakerOptions())
        assert process_of(await made.diarize(audio(WORKS), SpeakerOptions())) == process_of(before)


async def test_a_call_that_is_given_up_ends_its_process(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        before = await made.diarize(audio(WORKS), SpeakerOptions())
        await began(tmp_path)
        call = asyncio.create_task(made.diarize(audio(HANGS, 1_000), SpeakerOptions()))
        await began(tmp_path)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        after = await made.diarize(audio(WORKS), SpeakerOptions())
        assert process_of(after) != process_of(before)
        assert not alive(process_of(before))


async def test_time_is_bounded(tmp_path: Path) -> None:
    async with running(tmp_path, timeout=2.0) as made:
        with pytest.raises(DeadlineExceeded, match="SPEAKER_TIMEOUT_SECONDS"):
            await made.diarize(audio(HANGS), SpeakerOptions())


async def test_who_waits_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as made:
        first = asyncio.create_task(made.diarize(audio(HANGS), SpeakerOptions()))
        await began(tmp_path)
        monkeypatch.setattr(made, "_timeout", 0.1)
        with pytest.raises(Overloaded):
            await made.diarize(audio(WORKS), SpeakerOptions())
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_closing_ends_what_runs_and_what_waits(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        one = await made.diarize(audio(WORKS), SpeakerOptions())
        await began(tmp_path)
        calls = [asyncio.create_task(made.diarize(audio(HANGS), SpeakerOptions())) for _ in range(3)]
        await began(tmp_path)
        await made.close()
        for call in calls:
            with pytest.raises(Unavailable, match="shutting down"):
                await call
        assert not alive(process_of(one))
        with pytest.raises(Unavailable):
            await made.diarize(audio(WORKS), SpeakerOptions())
        await made.close()


async def test_two_processes_serve_two_recordings(tmp_path: Path) -> None:
    async with running(tmp_path, 2) as made:
        hanging = asyncio.create_task(made.diarize(audio(HANGS), SpeakerOptions()))
        await began(tmp_path)
        assert (await made.diarize(audio(WORKS), SpeakerOptions())).found == 1
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging


async def test_models_that_do_not_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the real program, on a folder without models
    async with running(tmp_path) as made:
        with pytest.raises(DiarizationFailed, match="do not open"):
            await made.diarize(audio(WORKS), SpeakerOptions())


async def test_a_process_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "raise SystemExit(3)"))
    async with running(tmp_path) as made:
        with pytest.raises(DiarizationFailed):
            await made.diarize(audio(WORKS), SpeakerOptions())


async def test_packages_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = PROGRAM.replace("lambda models: Backend()", "lambda models: __import__('no_such_package')")
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-P", "-c", missing))
    async with running(tmp_path) as made:
        with pytest.raises(DiarizationFailed, match="no_such_package is not installed"):
            await made.diarize(audio(WORKS), SpeakerOptions())
