"""The pool of decoding processes: no file harms another, nothing blocks the event loop, nothing is left behind."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from endpoint.audio import decode
from endpoint.audio.decode import Decoder
from endpoint.config import Settings
from endpoint.errors import ConfigError, DeadlineExceeded, InvalidAudio, Overloaded, Unavailable
from endpoint.types import SAMPLE_RATE, SPEECH_FRAME, Audio
from tests.recordings import silent_opus, wav
from tests.talk import make_talk

pytestmark = pytest.mark.timeout(90)

WAV = (Path(__file__).parent / "audio" / "seven.wav").read_bytes()
HOURS = 4 * 3600  # a limit under which `slow` decodes to its end


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A file that takes seconds to decode."""
    return silent_opus(4)


@asynccontextmanager
async def pool(workers: int = 2, **changes: float) -> AsyncIterator[Decoder]:
    decoder = Decoder(Settings(decode_workers=workers, **{"max_audio_seconds": HOURS + 60, **changes}))
    await decoder.start()
    try:
        yield decoder
    finally:
        await decoder.close()


def children(parent: int | None = None) -> set[int]:
    """Ids of the processes that this process, or `parent`, started; but not of servers that other tests keep."""
    found = set()
    for task in Path(f"/proc/{parent or os.getpid()}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has ended meanwhile
            found.update(map(int, (task / "children").read_text().split()))
    return {
        pid
        for pid in found
        if not any(kept in _command(pid) for kept in (b"\0serve\0", b"redis-server", b"valkey-server"))
    }


def _command(pid: int) -> bytes:
    try:
        return proc(pid, "cmdline")
    except OSError:
        return b""


def proc(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def alive(pid: int) -> bool:
    try:
        return proc(pid, "stat").rsplit(b")", 1)[1].split()[0] != b"Z"
    except OSError:
        return False


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for is another process
        await asyncio.sleep(0.01)


async def busy(pid: int) -> None:
    """Wait until the process has used 50 ms more of processor time: it decodes."""

    def used() -> int:
        return sum(map(int, proc(pid, "stat").rsplit(b")", 1)[1].split()[11:13]))

    start = used()
    await until(lambda: used() >= start + 5)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No descriptor, process, thread or memory file outlives a test."""

    def state() -> tuple[object, ...]:
        gc.collect()
        files = sorted(
            os.readlink(f"/proc/self/fd/{fd}")
            for fd in os.listdir("/proc/self/fd")
            if fd.isdigit() and os.path.lexists(f"/proc/self/fd/{fd}")
        )
        memory = [name for name in files if "memfd" in name]
        threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("decode")]
        return memory, len(files), children(), threads

    before = state()
    yield
    assert state() == before


async def test_32_at_once_and_the_event_loop_goes_on() -> None:
    data = wav(np.random.default_rng(0).integers(-9000, 9000, (5 * 44_100, 2)), 44_100)
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            started = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - started)

    async with pool() as decoder:
        ticking = asyncio.create_task(tick())
        began = time.perf_counter()
        audios = await asyncio.gather(*(decoder.decode(data) for _ in range(32)))
        took = time.perf_counter() - began
        ticking.cancel()
    assert {audio.duration_ms for audio in audios} == {5_000}
    assert longest < took / 2  # a blocked loop would wait for all 32


async def test_a_crash_costs_one_request() -> None:
    hour = silent_opus(1)
    async with pool(3) as decoder:
        victim = children().pop()
        jobs = [asyncio.create_task(decoder.decode(hour)) for _ in range(3)]
        await busy(victim)
        os.kill(victim, signal.SIGKILL)
        results = await asyncio.gather(*jobs, return_exceptions=True)
        (error,) = [result for result in results if isinstance(result, BaseException)]
        assert isinstance(error, InvalidAudio)
        assert error.code == "audio_decode_failed"
        assert len(children()) == 3  # whole again before the caller knows
        assert victim not in children()
        assert (await decoder.decode(WAV)).duration_ms == 1642  # by the new process
        whole = [result.duration_ms for result in results if not isinstance(result, BaseException)]
        assert all(3_599_000 < length < 3_601_000 for length in whole)
        assert len(whole) == 2


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_process_killed_while_idle_costs_no_request(kind: signal.Signals) -> None:
    async with pool(1) as decoder:
        (victim,) = children()
        os.kill(victim, kind)
        await until(lambda: not alive(victim))
        assert (await decoder.decode(WAV)).duration_ms == 1642


async def test_a_timeout_costs_one_request(slow: bytes) -> None:
    async with pool(1, decode_timeout_seconds=1) as decoder:
        before = children()
        with pytest.raises(DeadlineExceeded, match="DECODE_TIMEOUT_SECONDS"):
            await decoder.decode(slow)
        assert children().isdisjoint(before)
        assert (await decoder.decode(WAV)).duration_ms == 1642


async def test_a_stopped_process_is_a_timeout() -> None:
    async with pool(1, decode_timeout_seconds=1) as decoder:
        (victim,) = children()
        os.kill(victim, signal.SIGSTOP)
        with pytest.raises(DeadlineExceeded):
            await decoder.decode(WAV)
        assert (await decoder.decode(WAV)).duration_ms == 1642


async def test_judging_speech_is_within_the_time_of_decoding() -> None:
    """Three hours of silence decode at once and take seconds to judge."""
    data = wav(np.zeros((3 * 3600 * SAMPLE_RATE, 1), np.int16), SAMPLE_RATE)
    async with pool(1, decode_timeout_seconds=1) as decoder:
        with pytest.raises(DeadlineExceeded):
            await decoder.decode(data, vad=True)
        assert (await decoder.decode(WAV, vad=True)).duration_ms == 1642


async def test_waiting_for_a_process_is_bounded(slow: bytes) -> None:
    async with pool(1, decode_timeout_seconds=1) as decoder:
        jobs = [asyncio.create_task(decoder.decode(slow)) for _ in range(4)]
        errors = await asyncio.gather(*jobs, return_exceptions=True)
        assert {type(error) for error in errors} == {DeadlineExceeded, Overloaded}


async def test_a_cancelled_request_stops_its_process(slow: bytes) -> None:
    async with pool(1) as decoder:
        (victim,) = children()
        job = asyncio.create_task(decoder.decode(slow))
        await busy(victim)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert (await decoder.decode(WAV)).duration_ms == 1642
        assert not alive(victim)


async def test_cancelling_at_any_moment_leaves_the_pool_whole() -> None:
    async with pool(2) as decoder:
        rng = np.random.default_rng(0)

        async def impatient(seconds: float) -> None:
            with suppress(TimeoutError):
                await asyncio.wait_for(decoder.decode(WAV), seconds)

        await asyncio.gather(*(impatient(seconds) for seconds in rng.uniform(0, 0.6, 60)))
        audios = await asyncio.gather(*(decoder.decode(WAV) for _ in range(8)))
        assert len(audios) == 8
        assert len(children()) == 2


async def test_the_samples_outlive_the_pool() -> None:
    async with pool(1) as decoder:
        audio = await decoder.decode(WAV)
    assert np.array_equal(audio.samples, np.frombuffer(WAV, np.int16)[-len(audio.samples) :])
    with pytest.raises(ValueError, match="read-only"):
        audio.samples[0] = 1


async def test_closing_ends_requests_and_refuses_more(slow: bytes) -> None:
    async with pool(1) as decoder:
        (victim,) = children()
        job = asyncio.create_task(decoder.decode(slow))
        waiting = asyncio.create_task(decoder.decode(slow))
        await busy(victim)
        await decoder.close()
        for task in (job, waiting):
            with pytest.raises(Unavailable):
                await task
        with pytest.raises(Unavailable):
            await decoder.decode(WAV)


async def test_to_start_and_to_close_again_does_nothing() -> None:
    """Several models share one pool, and each starts and closes it."""
    async with pool(1) as decoder:
        (child,) = children()
        await decoder.start()
        assert children() == {child}
        await decoder.close()


async def test_a_process_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "canary")
    async with pool(1):
        (pid,) = children()
        assert b"canary" not in proc(pid, "environ")


async def test_processes_that_cannot_start_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "COMMAND", [sys.executable, "-c", "pass"])
    with pytest.raises(ConfigError, match="do not start"):
        async with pool(2):
            pass


def test_the_processes_end_with_their_parent() -> None:
    """Also when it was killed and could not report it."""
    program = (
        "import asyncio, sys\nfrom endpoint.audio.decode import Decoder\nfrom endpoint.config import Settings\n"
        "async def main():\n    await Decoder(Settings(decode_workers=2)).start()\n"
        "    print('ready', flush=True)\n    await asyncio.sleep(60)\nasyncio.run(main())"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        orphans = children(parent.pid)
        assert len(orphans) == 2
        parent.kill()
    deadline = time.monotonic() + 60
    while any(map(alive, orphans)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def test_the_samples_are_not_copied() -> None:
    """The array is the memory the process wrote."""
    data = wav(np.zeros((600 * SAMPLE_RATE, 1)), SAMPLE_RATE)
    async with pool(1) as decoder:
        audio = await decoder.decode(data)
    assert proc(os.getpid(), "maps").count(b"memfd:samples") == 1
    assert audio.duration_ms == 600 * 1000


async def test_the_beginning_of_a_long_recording_is_given_first() -> None:
    beginnings: list[Audio] = []
    short, long = (make_talk(seconds, seed=9).wav for seconds in (100, 150))
    async with pool(1) as decoder:
        await decoder.decode(short, True, beginnings.append)
        assert not beginnings
        await decoder.decode(long, False, beginnings.append)
        assert not beginnings
        whole = await decoder.decode(long, True, beginnings.append)
    (first,) = beginnings
    assert whole.speech is not None
    assert first.speech is not None
    assert 59 * SAMPLE_RATE < len(first.samples) <= 60 * SAMPLE_RATE
    assert np.array_equal(first.samples, whole.samples[: len(first.samples)])
    assert np.array_equal(first.speech, whole.speech[: len(first.speech)])
    assert len(first.samples) == len(first.speech) * SPEECH_FRAME
