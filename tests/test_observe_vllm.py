"""vLLM's own metrics beside ours, of the real engine; and how many windows its steps have."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

SOUND = (Path(__file__).parent / "audio" / "seven.mp3").read_bytes()
SECONDS = 240


def values(base: str) -> dict[str, float]:
    """Of all series, added up over their labels."""
    found = dict[str, float]()
    for family in text_string_to_metric_families(httpx.get(f"{base}/metrics", timeout=60).text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


@pytest.mark.model
@pytest.mark.timeout(600)
def test_the_engine_is_counted_by_vllm_and_by_us(model_server: str) -> None:
    before = values(model_server)
    for _ in range(3):
        done = httpx.post(f"{model_server}/v1/audio/transcriptions", files={"file": SOUND}, timeout=120)
        assert done.status_code == 200
    end = time.monotonic() + SECONDS
    grown = {"vllm:request_success_total": 3.0, "vllm:request_queue_time_seconds_count": 3.0, "stt_windows_total": 3.0}
    grown |= {"stt_engine_steps_total": 3.0, "stt_engine_step_windows_total": 3.0, "vllm:generation_tokens_total": 3.0}
    while True:
        now = values(model_server)
        if all(now.get(name, 0) - before.get(name, 0) >= least for name, least in grown.items()):
            break
        assert time.monotonic() < end, {name: now.get(name) for name in grown}
        time.sleep(0.5)
    while values(model_server)["vllm:num_requests_running"]:  # nothing is left over from the last step
        assert time.monotonic() < end
        time.sleep(0.5)
    assert now["stt_engine_step_windows_total"] >= now["stt_engine_steps_total"]
