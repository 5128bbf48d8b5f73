"""OpenAI's Realtime protocol: its own clients and two frameworks transcribe human speech, unmodified."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from endpoint.bench.containers import decode
from endpoint.bench.words import errors
from endpoint.live.convert import to_openai
from tests.conformance.clients import node
from tests.conformance.install import AGENTS_PYTHON, JAVASCRIPT_FOLDER

HERE = Path(__file__).parent
RECORDINGS = HERE.parents[1] / "endpoint" / "demo" / "recordings"
SPEECH, MOST_ERRORS = "LJ001-0001.flac", 0.2  # of the words of this clip; whisper-base has about a tenth
SECONDS = 280

PYTHON = """
import asyncio, base64, json, sys, wave, openai
base, file, kind = sys.argv[1:]
sound = wave.open(file).readframes(10**9) + bytes(48_000)
frames = [base64.b64encode(sound[at : at + 4_800]).decode() for at in range(0, len(sound), 4_800)]
interim, final = [], []
def take(event):
    if event.type == "conversation.item.input_audio_transcription.delta":
        interim.append(event.delta)
    elif event.type == "conversation.item.input_audio_transcription.completed":
        final.append(event.transcript)
    return final
def in_turn():
    client = openai.OpenAI(base_url=base, api_key="none")
    with client.realtime.connect(extra_query={"intent": "transcription"}) as socket:
        for frame in frames:
            socket.input_audio_buffer.append(audio=frame)
        for event in socket:
            if take(event):
                return
async def awaited():
    client = openai.AsyncOpenAI(base_url=base, api_key="none")
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as socket:
        for frame in frames:
            await socket.input_audio_buffer.append(audio=frame)
        async for event in socket:
            if take(event):
                return
in_turn() if kind == "sync" else asyncio.run(awaited())
print(json.dumps({"version": openai.__version__, "interim": interim, "final": final}))
"""
COMMANDS = {
    "python": [sys.executable, "-W", "ignore", "-c", PYTHON, "BASE", "FILE", "sync"],
    "python async": [sys.executable, "-W", "ignore", "-c", PYTHON, "BASE", "FILE", "async"],
    "javascript": [node(), str(HERE / "drive_realtime.mjs"), str(JAVASCRIPT_FOLDER), "BASE", "FILE"],
    "livekit": [str(AGENTS_PYTHON / "bin" / "python"), str(HERE / "drive_livekit.py"), "BASE", "FILE"],
    "pipecat": [str(AGENTS_PYTHON / "bin" / "python"), "-W", "ignore", str(HERE / "drive_pipecat.py"), "BASE", "FILE"],
}


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PCM of 24 kHz in a wave file."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(to_openai(decode(RECORDINGS / SPEECH)))
    return path


@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.parametrize("client", COMMANDS)
def test_human_speech(human: str, speech: Path, client: str) -> None:
    """A client of the Realtime protocol transcribes human speech."""
    given = {"BASE": f"{human}/v1", "FILE": str(speech)}
    done = subprocess.run(
        [given.get(part, part) for part in COMMANDS[client]],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:] + done.stdout[-500:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["final"], found
    reference = json.loads((RECORDINGS / "texts.json").read_text(encoding="utf-8"))[SPEECH]
    text = " ".join(found["final"])
    spoken = " ".join(reference.split()[: len(text.split())])  # LiveKit's turns are shorter, and its first one counts
    wrong, words = errors(spoken, text)
    assert wrong <= max(2, MOST_ERRORS * words), text
    assert found["interim"]
