"""Transcribes a wave file with Pipecat's OpenAI Realtime transcription service. Runs in a venv that has it.

python drive_pipecat.py BASE_URL FILE
"""

import asyncio
import importlib.metadata
import json
import sys
import wave

from loguru import logger
from pipecat.frames.frames import EndFrame, InputAudioRawFrame, InterimTranscriptionFrame, TranscriptionFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.stt import OpenAIRealtimeSTTService

logger.remove()


class Collector(FrameProcessor):
    def __init__(self):
        super().__init__()
        self.interim, self.final, self.done = [], [], asyncio.Event()

    async def process_frame(self, frame, direction: FrameDirection):
        await super().process_frame(frame, direction)
        if isinstance(frame, InterimTranscriptionFrame):
            self.interim.append(frame.text)
        elif isinstance(frame, TranscriptionFrame):
            self.final.append(frame.text)
            self.done.set()
        await self.push_frame(frame, direction)


async def main(base, file):
    with wave.open(file) as wav:
        rate, data = wav.getframerate(), wav.readframes(wav.getnframes())
    data += bytes(2 * rate)  # a second of silence ends the turn
    service = OpenAIRealtimeSTTService(
        api_key="none",
        base_url=base.replace("http", "ws", 1) + "/realtime",
        settings=OpenAIRealtimeSTTService.Settings(model="gpt-transcribe"),
        turn_detection={"type": "server_vad"},
    )
    collector = Collector()
    task = PipelineTask(Pipeline([service, collector]), params=PipelineParams(audio_in_sample_rate=rate))

    async def push():
        await asyncio.sleep(1)
        step = rate // 20 * 2
        for at in range(0, len(data), step):
            part = data[at : at + step]
            await task.queue_frame(InputAudioRawFrame(audio=part, sample_rate=rate, num_channels=1))
            await asyncio.sleep(0.01)
        await collector.done.wait()
        await task.queue_frame(EndFrame())

    await asyncio.gather(PipelineRunner(handle_sigint=False).run(task), push())
    version = importlib.metadata.version("pipecat-ai")
    print(json.dumps({"version": version, "interim": collector.interim, "final": collector.final}))


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(main(sys.argv[1], sys.argv[2]), 240))
