"""Whether vLLM's LoRA does what an adapter merged into the weights does; decision 9. Prints JSON lines.

python -m benchmarks.lora      (minutes: it starts six engines)

A random adapter in peft's format for the test model is used three ways: in no way, by vLLM (`enable_lora`), and merged
into the weights, which is what it means. Of bundled recordings one by one, with a prompt, and both at once: the text,
and its average log-probability.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from endpoint.config import TEST_MODEL, load_settings
from endpoint.core.pipeline import Pipeline
from endpoint.core.transcriber import transcribe
from endpoint.options import Options
from endpoint.wiring import build_pipeline

FOLDER = Path("build/lora").resolve()
SAMPLES = TEST_MODEL.parent / "samples"
RECORDINGS = {name: (SAMPLES / name).read_bytes() for name in ("english.wav", "german.flac")}
RANK, ALPHA = 8, 16
STRENGTH = 0.004  # of the random matrices: enough to change scores, little enough to leave words
# What adapters touch. The first is the usual recipe for Whisper (peft's own example).
KINDS = {
    "q_proj and v_proj": r".*(q_proj|v_proj)",
    "the decoder's own": r"model\.decoder\.layers\.\d+\.(self_attn\.(q|k|v|out)_proj|fc1|fc2)",
}
ADAPTED: ContextVar[bool] = ContextVar("ADAPTED")  # whether the request at hand is for the adapter
LAYERS = 4  # of the test model's decoder
DECODERS_OWN = [
    f"model.decoder.layers.{layer}.{name}"
    for layer in range(LAYERS)
    for name in ("self_attn.qkv_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2")
]


def make(kind: str) -> tuple[Path, Path]:
    """(the adapter's folder, a model folder with it merged)."""
    import torch
    from safetensors.torch import load_file, save_file

    name = re.sub(r"\W+", "-", kind)
    adapter, merged = FOLDER / name, FOLDER / f"{name}-merged"
    shutil.copytree(TEST_MODEL, merged, dirs_exist_ok=True)
    adapter.mkdir(parents=True, exist_ok=True)
    random = torch.Generator().manual_seed(7)
    weights = {name: value.float() for name, value in load_file(TEST_MODEL / "model.safetensors").items()}
    parts, modules = {}, set()
    for full in sorted(weights):
        module = full.removesuffix(".weight")
        if not full.endswith(".weight") or not re.fullmatch(KINDS[kind], module):
            continue
        outputs, inputs = weights[full].shape
        down = torch.randn(RANK, inputs, generator=random) * STRENGTH
        up = torch.randn(outputs, RANK, generator=random)
        parts[f"base_model.model.{module}.lora_A.weight"], parts[f"base_model.model.{module}.lora_B.weight"] = down, up
        weights[full] += ALPHA / RANK * up @ down
        modules.add(module.rpartition(".")[2])
    save_file(parts, adapter / "adapter_model.safetensors")
    save_file(weights, merged / "model.safetensors", metadata={"format": "pt"})
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": sorted(modules), "bias": "none"}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    return adapter, merged


async def recognize(model: Path, adapter: Path | None = None, only: list[str] | None = None) -> Any:
    """What the model recognizes in each recording, or vLLM's error."""
    given: dict[str, Any] = {"enable_lora": True, "max_lora_rank": RANK} if adapter else {}
    if only:
        given["lora_target_modules"] = only
    settings = load_settings(model_id=str(model), cpu_kv_cache_gib=1, dtype="float32", engine_args=given)
    pipeline = build_pipeline(settings)
    engine: Any = pipeline._engine
    recognized: dict[str, Any] = {}
    try:
        await pipeline.start()
        if adapter is not None:
            from vllm.lora.request import LoRARequest

            plain, request = engine._engine.generate, LoRARequest(adapter.name, 1, str(adapter))
            engine._engine.generate = lambda *asked: plain(*asked, lora_request=request if ADAPTED.get() else None)
        for name, data in RECORDINGS.items():
            recognized[name] = await one(pipeline, data)
        recognized["with a prompt"] = await one(pipeline, RECORDINGS["english.wav"], prompt="red green blue")
        both = [one(pipeline, data) for data in RECORDINGS.values()]
        recognized["both at once"] = await asyncio.gather(*both)
        if adapter is not None:
            both = [one(pipeline, data, n == 0) for n, data in enumerate(RECORDINGS.values())]
            recognized["both at once, the second without"] = await asyncio.gather(*both)
        return recognized
    except Exception as error:  # the finding
        return {**recognized, "error": f"{type(error).__name__}: {error}"}
    finally:
        await pipeline.close()


async def one(pipeline: Pipeline, data: bytes, adapted: bool = True, **options: Any) -> list[Any]:
    ADAPTED.set(adapted)
    made = await transcribe(pipeline, data, Options(**options))
    return [made.text, round(made.segments[0].avg_logprob, 4)]


async def run() -> None:
    tell("without", await recognize(TEST_MODEL))
    for kind in KINDS:
        adapter, merged = make(kind)
        tell(f"{kind}, merged", await recognize(merged))
        tell(f"{kind}, by vLLM", await recognize(TEST_MODEL, adapter))
    tell("the same, nothing else wrapped", await recognize(TEST_MODEL, adapter, DECODERS_OWN))


def tell(what: str, recognized: Any) -> None:
    print(json.dumps({what: recognized}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    asyncio.run(run())
