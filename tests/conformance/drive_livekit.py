"""Transcribes a wave file with LiveKit's OpenAI plugin over the Realtime protocol. Runs in a venv that has it.

python drive_livekit.py BASE_URL FILE [MODEL]
"""

import asyncio
import importlib.metadata
import json
import sys
import wave

import aiohttp
from livekit import rtc
from livekit.agents import stt as agents_stt
from livekit.plugins import openai


async def main(base, file, model):
    interim, final = [], []
    session = aiohttp.ClientSession()
    stt = openai.STT(model=model, use_realtime=True, base_url=base, api_key="none", language="en")
    stt._session = session  # outside of a job there is no context to make one
    with wave.open(file) as wav:
        rate, data = wav.getframerate(), wav.readframes(wav.getnframes())
    data += bytes(2 * rate)  # a second of silence ends the turn
    stream = stt.stream()

    async def push():
        step = rate // 20 * 2
        for at in range(0, len(data), step):
            part = data[at : at + step]
            stream.push_frame(rtc.AudioFrame(part, rate, 1, len(part) // 2))
            await asyncio.sleep(0.01)

    pushing = asyncio.create_task(push())
    async for event in stream:
        if event.type == agents_stt.SpeechEventType.INTERIM_TRANSCRIPT:
            interim.append(event.alternatives[0].text)
        elif event.type == agents_stt.SpeechEventType.FINAL_TRANSCRIPT:
            final.append(event.alternatives[0].text)
            break  # the recording is one turn
    await pushing
    await stream.aclose()
    await stt.aclose()
    await session.close()
    version = importlib.metadata.version("livekit-plugins-openai")
    print(json.dumps({"version": version, "interim": interim, "final": final}))


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(main(sys.argv[1], sys.argv[2], (sys.argv[3:] or ["whisper-1"])[0]), 240))
