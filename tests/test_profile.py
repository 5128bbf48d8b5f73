"""Stacks to stages, and the processor time of each process shared out over them."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.profile import OTHER, read_stacks, share_out, stage_of

API = 'process 1:"python -m endpoint serve"'
CHILD = 'process 7:"python -m endpoint.audio.worker {"a": 1, "b": 2}"'
WORKER = "endpoint/audio/worker/process.py"
DECODE = f"main ({WORKER}:287);serve ({WORKER}:259);decode ({WORKER}:106)"
SPEECH = "detect_speech (endpoint/audio/worker/process.py:226);VoiceActivity.feed (endpoint/audio/vad.py:60)"


@pytest.mark.parametrize(
    ("stack", "stage"),
    [
        (DECODE, "decode"),
        (f"{SPEECH};Session.run (onnxruntime/capi/onnxruntime_inference_collection.py:395)", "voice activity"),
        (f"{SPEECH};any (numpy/_core/fromnumeric.py:2580)", "voice activity"),
        ("run (asyncio/runners.py:118);read_form (endpoint/api/upload.py:60)", "upload"),
        ("run (asyncio/runners.py:118)", "event loop"),
        ("run (asyncio/runners.py:118);render (endpoint/text/format.py:20)", "response"),
        ("forward (vllm/model_executor/models/whisper.py:1);conv (torch/nn/functional.py:2)", "model"),
        ("busy (vllm/v1/engine/core.py:1);recv (zmq/sugar/socket.py:2)", "engine traffic"),
        ("apply (endpoint/engine/inside/logits_processor.py:1);add (numpy/x.py:2)", "decoding rules"),
        ("busy (vllm/v1/engine/core.py:1);sched_yield (vllm/distributed/utils.py:46)", "waiting busily"),
        ("something (somewhere.py:1)", OTHER),
        ("", OTHER),
    ],
)
def test_a_stack_belongs_to_the_innermost_stage(stack: str, stage: str) -> None:
    assert stage_of(stack.split(";")) == stage


def test_stacks_are_counted_in_the_process_they_were_seen_in() -> None:
    found = read_stacks([f"{API};{CHILD};{DECODE} 3", f"{API};{CHILD};{SPEECH} 1", f"{API};run (asyncio/x.py:1) 2"])
    assert found == {1: Counter({"event loop": 2}), 7: Counter({"decode": 3, "voice activity": 1})}


def test_a_processs_time_is_shared_out() -> None:
    spent = {1: ("API", 1.0), 7: ("decoding", 8.0), 8: ("decoding", 4.0), 9: ("engine", 5.0)}
    counts = Counter({"decode": 3, "voice activity": 1})
    found = share_out(spent, {1: Counter({"upload": 5}), 7: counts, 8: counts})
    assert found == {
        ("API", "upload"): 1.0,
        ("decoding", "decode"): 9.0,
        ("decoding", "voice activity"): 3.0,
        ("engine", OTHER): 5.0,
    }
