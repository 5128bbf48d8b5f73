"""Others, on the same weights, each in a process of its own: python -m benchmarks.quality.peers NAME FOLDER MODEL OUT

Reads FOLDER/recordings.json and writes {recording: {"text", "language", "seconds"}}.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np

from endpoint.engine.arguments import compute_type
from endpoint.net import free_port

Transcribe = Callable[[Path, str | None], dict[str, Any]]
LADDER = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def load(path: Path) -> np.ndarray:
    """float32 [n], mono, 16 kHz."""
    return librosa.load(path, sr=16_000)[0]


def transformers_generate(model: Path) -> Transcribe:
    """Long-form `generate`, with the fallbacks of its documentation."""
    import torch
    from transformers import AutoProcessor, WhisperForConditionalGeneration

    processor = AutoProcessor.from_pretrained(model)
    network = WhisperForConditionalGeneration.from_pretrained(model, dtype=torch.float32).eval()
    names = {number: code.strip("<|>") for code, number in network.generation_config.lang_to_id.items()}

    @torch.inference_mode()
    def transcribe(path: Path, label: str | None) -> dict[str, Any]:
        sound = load(path)
        long = len(sound) > 30 * 16_000
        padding = {"truncation": False, "padding": "longest"} if long else {}
        inputs = processor(sound, sampling_rate=16_000, return_tensors="pt", return_attention_mask=True, **padding)
        given: dict[str, Any] = {"language": label} if label else {}
        if long:
            given |= {"condition_on_prev_tokens": False, "compression_ratio_threshold": 1.35, "temperature": LADDER}
            given |= {"logprob_threshold": -1.0, "no_speech_threshold": 0.6}
        ids = network.generate(
            inputs.input_features,
            attention_mask=inputs.attention_mask,
            return_timestamps=True,
            task="transcribe",
            **given,
        )
        text = processor.batch_decode(ids, skip_special_tokens=True)[0]
        if label:
            return {"text": text, "language": label}
        found = network.detect_language(inputs.input_features[:, :, :3000])
        return {"text": text, "language": names.get(int(found[0]), "?")}

    return transcribe


class Multilingual:
    """CTranslate2's model, multilingual although its vocabulary is small.

    CTranslate2 takes a Whisper for multilingual by the size of its vocabulary (51,865 or more), and the library then
    understands English only. Detection is done here as it does: the language tokens' probabilities behind
    <|startoftranscript|>, float32 on the same weights and the library's own encoder output.
    """

    is_multilingual = True

    def __init__(self, engine: Any, model: Path) -> None:
        import torch
        from transformers import WhisperForConditionalGeneration

        self._engine = engine
        self._network = WhisperForConditionalGeneration.from_pretrained(model, dtype=torch.float32).eval()
        self._names, self._numbers = zip(*self._network.generation_config.lang_to_id.items(), strict=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def detect_language(self, encoded: Any) -> list[list[tuple[str, float]]]:
        import torch

        source = torch.from_numpy(np.array(encoded))
        start = torch.full((len(source), 1), self._network.config.decoder_start_token_id)
        with torch.inference_mode():
            logits = self._network(encoder_outputs=(source,), decoder_input_ids=start).logits[:, -1]
        rows = logits[:, list(self._numbers)].softmax(-1).tolist()
        return [sorted(zip(self._names, row, strict=True), key=lambda pair: -pair[1]) for row in rows]


def faster_whisper(model: Path, **given: bool) -> Transcribe:
    """The library with its defaults and `given`, float32, on a CTranslate2 conversion made here."""
    import ctranslate2
    import transformers
    from faster_whisper import WhisperModel

    transformers.logging.set_verbosity_error()
    converted = Path(tempfile.mkdtemp(prefix="ctranslate2-"))
    converter = ctranslate2.converters.TransformersConverter(
        str(model), copy_files=["tokenizer.json", "preprocessor_config.json"]
    )
    converter.convert(str(converted), quantization="float32", force=True)
    engine = WhisperModel(str(converted), device="cpu", compute_type="float32")
    shutil.rmtree(converted)
    engine.model = Multilingual(engine.model, model)

    def transcribe(path: Path, label: str | None) -> dict[str, Any]:
        found, info = engine.transcribe(str(path), language=label, **given)
        segments = list(found)
        words = [word for segment in segments for word in segment.words or ()]
        return {
            "text": "".join(segment.text for segment in segments),
            "language": info.language,
            "segments": [{"start": x.start, "end": x.end, "text": x.text} for x in segments],
            "words": [{"word": x.word, "start": x.start, "end": x.end} for x in words],
        }

    return transcribe


def stock_vllm(model: Path) -> Transcribe:
    """vLLM's own server: `python -m`, because `vllm serve` of the CPU wheel stops at its package's name."""
    import httpx2

    port = free_port()
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    command += ["--port", str(port), "--host", "127.0.0.1", "--dtype", compute_type("auto"), "--max-model-len", "448"]
    command += ["--served-model-name", "whisper", "--enforce-eager"]
    # It refuses more than 600 s by default, and then there would be nothing to compare.
    environment = {**os.environ, "VLLM_MAX_AUDIO_DECODE_DURATION_S": "7200", "VLLM_MAX_AUDIO_CLIP_FILESIZE_MB": "512"}
    environment |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    base = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 300
    while time.monotonic() < end and server.poll() is None:
        try:
            if httpx2.get(f"{base}/health", timeout=5).status_code == 200:
                break
        except httpx2.TransportError:
            time.sleep(0.5)
    else:
        server.kill()
        raise RuntimeError(f"vLLM's server did not start (status {server.poll()})")

    def transcribe(path: Path, label: str | None) -> dict[str, Any]:
        data = {
            "model": "whisper",
            "response_format": "json",
            "temperature": "0",
            **({"language": label} if label else {}),
        }
        with path.open("rb") as file:
            response = httpx2.post(f"{base}/v1/audio/transcriptions", data=data, files={"file": file}, timeout=600)
        if response.status_code != 200:
            raise RuntimeError(f"{path.name}: {response.status_code} {response.text[:300]}")
        return {"text": response.json()["text"], "language": label or "?"}

    transcribe.close = lambda: (server.terminate(), server.wait(60))  # type: ignore[attr-defined]
    return transcribe


# The defaults give each window the text before it, which small models lose their way with; many users turn that off.
ALONE = {"condition_on_previous_text": False}
PEERS: dict[str, Callable[[Path], Transcribe]] = {
    "transformers": transformers_generate,
    "vllm": stock_vllm,
    "faster-whisper": faster_whisper,
    "faster-whisper vad": lambda model: faster_whisper(model, vad_filter=True, **ALONE),
    "faster-whisper words": lambda model: faster_whisper(model, word_timestamps=True, **ALONE),
}
SETS = {"faster-whisper words": ("short", "talk", "no pause")}  # it is slow, and asked for its word times


def main() -> None:
    name, folder, model, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    transcribe = PEERS[name](model)
    results = {}
    try:
        for item in json.loads((folder / "recordings.json").read_text()):
            if item["set"] not in SETS.get(name, (item["set"],)):
                continue
            began = time.perf_counter()
            result = transcribe(folder / item["name"], item["label"])
            results[item["name"]] = {**result, "seconds": time.perf_counter() - began}
            out.write_text(json.dumps(results))  # what there is counts, should time run out
    finally:
        getattr(transcribe, "close", lambda: None)()


if __name__ == "__main__":
    main()
