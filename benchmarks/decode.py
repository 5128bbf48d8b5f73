"""What decoding costs: seconds of sound per processor second of a decoding process, with and without voice activity.

python -m benchmarks.decode      (half a minute; ten minutes of sound in each container)
"""

from __future__ import annotations

import asyncio

import psutil

from benchmarks.feed import CONTAINERS, file
from endpoint.audio.decode import Decoder
from endpoint.config import Settings

MINUTES, TIMES = 10, 3


def spent() -> float:
    """Processor seconds of the one child so far."""
    (child,) = psutil.Process().children()
    times = child.cpu_times()
    return float(times.user + times.system)


async def speed(decoder: Decoder, data: bytes, vad: bool) -> float:
    await decoder.decode(data, vad=vad)
    before = spent()
    for _ in range(TIMES):
        await decoder.decode(data, vad=vad)
    return TIMES * MINUTES * 60 / (spent() - before)


async def main() -> None:
    decoder = Decoder(Settings(decode_workers=1, engine="fake"))
    await decoder.start()
    try:
        for container in CONTAINERS:
            data = file(MINUTES, container).read_bytes()
            alone, judged = await speed(decoder, data, vad=False), await speed(decoder, data, vad=True)
            print(f"{container:5} {alone:7,.0f} times real time, with voice activity {judged:6,.0f}")
    finally:
        await decoder.close()


if __name__ == "__main__":
    asyncio.run(main())
