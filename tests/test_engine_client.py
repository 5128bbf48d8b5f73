"""Settings to vLLM's arguments, options to sampling parameters, vLLM's scores to probabilities; no model is loaded.

The engine with a model is tested in test_live_model.py.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from endpoint.config import TEST_MODEL, Settings
from endpoint.errors import ConfigError, EngineFailed, NotReady

pytest.importorskip("torch", reason="the base build has no engine")
pytest.importorskip("vllm", reason="the base build has no vLLM")
import torch
from vllm import AsyncEngineArgs

from endpoint.engine import client as vllm
from endpoint.engine.arguments import _prepare_environment, engine_args
from endpoint.engine.client import VllmEngine
from endpoint.engine.parameters import sampling_params
from endpoint.engine.tokens import WhisperTokens
from endpoint.options import Options, Sampling
from endpoint.types import Window

TOKENS = WhisperTokens.load(TEST_MODEL)
ENGLISH = replace(TOKENS, languages={})
WINDOW = Window(0, np.zeros(1600, np.int16))


def arguments(**settings: object) -> AsyncEngineArgs:
    return engine_args(Settings(**settings), "/folder", TOKENS)


def test_settings_become_arguments() -> None:
    made = arguments(
        dtype="float32", max_num_seqs=7, max_num_batched_tokens=3000, gpu_memory_utilization=0.5, enforce_eager=True,
        served_model_name="mine",
    )  # fmt: skip
    assert (made.model, made.served_model_name, made.dtype) == ("/folder", "mine", "float32")
    assert (made.max_num_seqs, made.max_num_batched_tokens) == (7, 3000)
    assert (made.gpu_memory_utilization, made.enforce_eager) == (0.5, True)


def test_only_plain_weights_load_and_no_code_of_theirs() -> None:
    made = arguments()
    assert (made.load_format, made.trust_remote_code) == ("safetensors", False)


def test_scores_of_every_language_fit_in_an_output() -> None:
    made = arguments()
    asked = sampling_params(TOKENS, Options(), 10).logprob_token_ids
    assert asked is not None
    assert len(asked) <= made.max_logprobs
    assert made.logprobs_mode == "processed_logits"


def test_more_arguments_win() -> None:
    made = arguments(engine_args={"seed": 7, "max_num_seqs": 3}, max_num_seqs=9)
    assert (made.seed, made.max_num_seqs) == (7, 3)


def test_unknown_arguments_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"no argument max_sequences, sede$"):
        arguments(engine_args={"sede": 7, "max_sequences": 3, "seed": 1})


@pytest.mark.parametrize(
    ("capability", "given", "cache", "eager"),
    [
        (None, "auto", "auto", True),
        ((8, 6), "auto", "auto", False),
        ((8, 9), "auto", "fp8", False),
        ((9, 0), "auto", "fp8", False),
        ((12, 0), "auto", "fp8", False),
        ((9, 0), "bfloat16", "bfloat16", False),
        (None, "fp8", "fp8", True),
    ],
)
def test_the_device_decides_cache_and_compilation(
    capability: tuple[int, int] | None, given: str, cache: str, eager: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device is pretended: what the settings become on it is claimed, not that it works there."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    made = arguments(kv_cache_dtype=given)
    assert (made.kv_cache_dtype, made.enforce_eager) == (cache, eager)


@pytest.mark.parametrize(
    ("given", "made"), [("", None), ("fp8", "fp8_per_channel"), ("fp8_per_tensor", "fp8_per_tensor"), ("gptq", "gptq")]
)
def test_weights_of_8_bits_by_their_short_name(given: str, made: str | None) -> None:
    assert arguments(quantization=given).quantization == made


def test_unknown_quantizations_are_refused_with_the_list() -> None:
    with pytest.raises(ConfigError, match=r"QUANTIZATION: vLLM has no int9; .*\bfp8\b.*\bgptq\b"):
        arguments(quantization="int9")


@pytest.mark.parametrize(
    ("asked", "module"), [(None, "logits_processor"), ("0", "logits_processor"), ("1", "logits_processor_v2")]
)
def test_each_model_runner_has_its_rules(asked: str | None, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VLLM_USE_V2_MODEL_RUNNER", raising=False)
    if asked is not None:
        monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", asked)
    (made,) = arguments().logits_processors or []
    assert made == f"endpoint.engine.inside.{module}:WhisperRules"


async def test_before_start_it_says_so_and_closing_is_harmless() -> None:
    engine = VllmEngine(Settings(served_model_name="mine"))
    assert (engine.info.model, engine.info.engine, engine.info.demo) == ("mine", "vllm", True)
    for call in (engine.check(), engine.decode(WINDOW, Options()), engine.detect(WINDOW, Options())):
        with pytest.raises(NotReady):
            await call
    await engine.close()


def test_a_folder_that_is_no_whisper_is_refused_before_vllm_is_asked(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"no config\.json"):
        VllmEngine(Settings(model_id=str(tmp_path)))


def test_vllm_reports_nothing_and_the_operators_variables_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"VLLM_LOGGING_LEVEL": "INFO"}
    monkeypatch.setattr(os, "environ", environment)
    _prepare_environment(Settings(cpu_kv_cache_gib=3))
    assert environment["VLLM_NO_USAGE_STATS"] == environment["DO_NOT_TRACK"] == "1"
    assert (environment["VLLM_CPU_KVCACHE_SPACE"], environment["VLLM_LOGGING_LEVEL"]) == ("3", "INFO")


async def test_calls_that_wait_for_the_worker_fail_when_the_engine_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM would let such a call wait for ever, and with it the start of the server."""

    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    class Ends:
        """Is there at the first two looks."""

        looks, collective_rpc = iter([False, False, True]), staticmethod(never)

        @property
        def errored(self) -> bool:
            return next(self.looks)

    monkeypatch.setattr(vllm, "LOOK", 0.01)
    engine = VllmEngine(Settings())
    engine._engine = Ends()
    with pytest.raises(EngineFailed, match="the engine stopped"):
        await engine.held()
    assert list(Ends.looks) == []


async def test_the_error_names_what_the_worker_failed_at() -> None:
    async def fails(*_: object, **__: object) -> None:
        raise ValueError("no room")

    engine = VllmEngine(Settings())
    engine._engine = SimpleNamespace(collective_rpc=fails, errored=False)
    with pytest.raises(EngineFailed, match="whisper_held: no room"):
        await engine.held()


def test_beams_are_the_servers_where_a_request_says_nothing() -> None:
    engine = VllmEngine(Settings(beam_size=3))
    assert [beam.index for beam in engine._beams(Options(), "g")] == [0, 1, 2]
    assert engine._beams(Options(sampling=Sampling(beam_size=1)), "g") == []
    assert engine._beams(Options(temperature=0.4), "g") == []
    assert {beam.most for beam in engine._beams(Options(sampling=Sampling(patience=2.0)), "g")} == {6}


@pytest.mark.parametrize(("settings", "newer", "reason"), [({"max_num_seqs": 4}, "0", "MAX_NUM_SEQS"), ({}, "1", "V2")])
def test_a_server_without_room_for_its_beams_does_not_start(
    settings: dict[str, int], newer: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", newer)
    with pytest.raises(ConfigError, match=f"BEAM_SIZE=5: .*{reason}"):
        VllmEngine(Settings(beam_size=5, **settings))
