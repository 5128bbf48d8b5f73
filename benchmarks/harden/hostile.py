"""Uploads made to do harm: nineteen hours in 20 MiB, headers that lie, and no audio at all, with its sockets traced."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import psutil

from benchmarks.harden.gateway import OPEN, ROUTE
from benchmarks.harden.report import Found, Line
from benchmarks.harden.servers import server
from tests.recordings import encode, png, silent_opus, silent_video, tone, wav

HOURS, AT_ONCE, MOST_MIB = 19.0, 3, 300.0
REFUSED = frozenset({400, 413})
POLL_SECONDS = 0.05
# What opens, names or calls out by a socket of a network; those between a process and its children are pairs.
NETWORK = re.compile(r"\b(connect|bind|listen)\(|\bsocket\(AF_(?!UNIX)")
SOUND = wav(tone(16_000, 1.5)[:, None], 16_000)


def forged() -> dict[str, bytes]:
    """Recordings of a second and a half whose headers claim what nobody has."""
    sound = tone(16_000, 1.5)
    flac = bytearray(encode(sound[None, :], "flac", "flac", 16_000))
    claim = 655_350 << 44 | 7 << 41 | 15 << 36 | (1 << 36) - 1  # rate, channels - 1, bits - 1, samples: RFC 9639, 8.2
    flac[18:26] = claim.to_bytes(8, "big")
    mp4 = bytearray(encode(sound[None, :], "mp4", "aac", 16_000))
    # ISO 14496-12: the duration in these boxes, after their name; and how many samples the first entry of stts has.
    for box, offset in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24), (b"stts", 12)):
        at = mp4.index(box) + offset
        mp4[at : at + 4] = (0x7FFF_FFFF).to_bytes(4, "big")
    return {
        "FLAC of 655,350 Hz and 8 channels": bytes(flac),
        "WAV of 65,535 channels": wav(sound[:, None], 16_000, claim_channels=65_535),
        "MP4 of 37 hours that has 1.5 s": bytes(mp4),
    }


def no_audio() -> dict[str, bytes]:
    """None of these holds a recording; some of them name an address."""
    ports = b"c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n"
    return {
        "text": b"just a text, no sound at all\n" * 50,
        "PNG": png(),
        "SRT": b"1\n00:00:00,000 --> 00:00:01,000\nhello\n",
        "SDP": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\n" + ports,
        "HLS": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "ffconcat": b"ffconcat version 1.0\nfile 'http://127.0.0.1:9/a.wav'\nfile '/etc/passwd'\n",
        "RTSP": b"rtsp://127.0.0.1:9/a\n",
        "empty": b"",
        "truncated": SOUND[:20],
        "video without sound": silent_video(),
    }


async def check(folder: Path, small: bool) -> Found:
    settings = {"DECODE_WORKERS": str(AT_ONCE), "MAX_CONCURRENT_AUDIO_SECONDS": "1000000", "JOBS_URL": "off"}
    async with (
        server(folder, **settings) as (process, base),
        httpx2.AsyncClient(base_url=base, timeout=600, limits=OPEN) as client,
    ):
        await _sent(client, SOUND)
        lines = await bombs(client, process.pid, 5.0 if small else HOURS)
        lines += await forgeries(client, process.pid)
        lines += await traced(client, process.pid, folder / "trace.txt")
        status, _ = await _sent(client, SOUND)
    return Found([*lines, Line("a sound file afterwards", "200", str(status), status == 200)])


async def _sent(client: httpx2.AsyncClient, body: bytes) -> tuple[int, float]:
    """The status, and the seconds it took."""
    began = time.perf_counter()
    response = await client.post(ROUTE, files={"file": ("a", body)})
    return response.status_code, time.perf_counter() - began


class Memory:
    """Most MiB of resident pages and of memory files that a tree of processes had, over those at the beginning."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._before = self._now()
        self.pages = self.files = 0.0

    def _now(self) -> tuple[float, float]:
        pages, files = 0, dict[int, int]()
        for process in (self._root, *self._root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, OSError):
                pages += process.memory_info().rss
                for link in Path(f"/proc/{process.pid}/fd").iterdir():
                    with suppress(OSError):
                        if str(link.readlink()).startswith("/memfd:"):
                            files[link.stat().st_ino] = link.stat().st_blocks * 512
        return pages / 2**20, sum(files.values()) / 2**20

    async def watch(self) -> None:
        while True:
            pages, files = await asyncio.to_thread(self._now)
            self.pages = max(self.pages, pages - self._before[0])
            self.files = max(self.files, files - self._before[1])
            await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def _watched(pid: int) -> AsyncIterator[Memory]:
    memory = Memory(pid)
    watching = asyncio.create_task(memory.watch())
    try:
        yield memory
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def _grown(what: str, memory: Memory) -> Line:
    figure = f"{memory.pages:.0f} MiB, and {memory.files:.0f} MiB in memory files of uploads and samples"
    return Line(f"memory of all processes beside {what}", f"{MOST_MIB:g} MiB more", figure, memory.pages <= MOST_MIB)


async def bombs(client: httpx2.AsyncClient, pid: int, hours: float) -> list[Line]:
    """Three at once whose container says how long they are, and three where it does not: a stream as it is recorded."""
    lines = []
    for name, container in (("Ogg that says so", "ogg"), ("WebM without a length", "webm")):
        body = await asyncio.to_thread(silent_opus, hours, container)
        async with _watched(pid) as memory:
            found = await asyncio.gather(*(_sent(client, body) for _ in range(AT_ONCE)))
        statuses, slowest = [status for status, _ in found], max(seconds for _, seconds in found)
        what = f"{AT_ONCE} recordings of {hours:g} hours in {len(body) / 2**20:.0f} MiB of {name}"
        wanted = f"413 for each (the limit is 4 hours), in {slowest:.1f} s"
        lines += [Line(what, wanted, str(statuses), set(statuses) == {413}), _grown(what, memory)]
    return lines


async def forgeries(client: httpx2.AsyncClient, pid: int) -> list[Line]:
    """The sound that is there may be transcribed; nothing is allocated for what is only claimed."""
    lines = []
    for name, body in forged().items():
        async with _watched(pid) as memory:
            found = await asyncio.gather(*(_sent(client, body) for _ in range(AT_ONCE)))
        statuses = {status for status, _ in found}
        lines += [
            Line(name, "400, 413, or its sound", str(statuses), statuses <= REFUSED | {200}),
            _grown(name, memory),
        ]
    return lines


async def traced(client: httpx2.AsyncClient, pid: int, output: Path) -> list[Line]:
    if shutil.which("strace") is None:
        return [Line("sockets are traced", "yes", "no: there is no strace", False)]
    statuses, slowest = dict[str, int](), 0.0
    async with _trace(pid, output):
        for name, body in no_audio().items():
            statuses[name], seconds = await _sent(client, body)
            slowest = max(slowest, seconds)
    seen = (await asyncio.to_thread(output.read_text)).splitlines()
    calls = [line for line in seen if NETWORK.search(line)]
    wrong = {name: status for name, status in statuses.items() if status != 400}
    return [
        Line(f"{len(statuses)} files that are no audio", "400 each", f"{len(wrong)} others {wrong}", not wrong),
        Line("the slowest of them", "1 s", f"{slowest:.2f} s, traced", slowest < 1, timed=True),
        Line(
            "connections and bound sockets",
            "0",
            f"{len(calls)} of {len(seen)} calls {calls[:3]}",
            bool(seen) and not calls,
        ),
    ]


@asynccontextmanager
async def _trace(pid: int, output: Path) -> AsyncIterator[None]:
    """The calls about sockets of a tree of processes and of those that they start, in `output`."""
    tree = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    attached: Sequence[str] = [argument for one in tree for argument in ("-p", str(one))]
    command = ["strace", "-f", "-e", "trace=network", "-o", str(output), *attached]
    tracer = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert tracer.stderr is not None
    left = set(map(str, tree))
    while left:
        line = (await tracer.stderr.readline()).decode()
        if not line:
            raise RuntimeError("strace cannot attach")
        left -= set(re.findall(r"[Pp]rocess (\d+) attached", line))
    draining = asyncio.create_task(tracer.stderr.read())
    try:
        yield
    finally:
        tracer.terminate()
        await asyncio.gather(draining, tracer.wait())
