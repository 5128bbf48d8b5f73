"""What is counted when: requests, work, refusals; with bounded labels."""

from __future__ import annotations

import pytest

from endpoint.admission import Urgency
from endpoint.call import Call, Counted, Stage
from endpoint.caller import Caller
from endpoint.observe import metrics
from endpoint.observe.metrics import MOST_KEYS, OTHER, RELAYED, Grown, Metrics, Names
from tests.api_support import AUDIO, StandIn, client_of


def value(name: str, **labels: str) -> float:
    """Of a series; 0 where there is none."""
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


class Change:
    """What a series grew by since this was made."""

    def __init__(self, name: str, **labels: str) -> None:
        self._name, self._labels = name, labels
        self._before = value(name, **labels)

    def __float__(self) -> float:
        return value(self._name, **self._labels) - self._before


async def test_a_request_is_counted_by_route_model_and_status() -> None:
    route, path = "/v1/audio/transcriptions", "/v1/audio/transcriptions"
    right = Change("stt_requests_total", route=route, model="whisper-test", status="200")
    wrong = Change("stt_requests_total", route=route, model="", status="400")
    nowhere = Change("stt_requests_total", route=OTHER, model="", status="404")
    audio = Change("stt_audio_received_seconds_total", **{"class": "request", "model": "whisper-test"})
    timed = Change("stt_request_seconds_count", route=route)
    async with client_of(StandIn()) as client:
        await client.post(path, files={"file": AUDIO})
        await client.post(path, data={"model": ""})
        await client.post(path, files={"file": AUDIO}, data={"temperature": "9"})
        await client.get("/secret-canary-path")
    assert (float(right), float(wrong), float(nowhere)) == (1, 2, 1)
    assert float(audio) == pytest.approx(8.47)
    assert float(timed) == 3


async def test_a_request_without_a_key_is_counted_by_its_route() -> None:
    refused = Change("stt_requests_total", route="/v1/models/{model:path}", model="", status="401")
    nowhere = Change("stt_requests_total", route=OTHER, model="", status="401")
    async with client_of(StandIn(), api_key="the-key-of-the-test") as client:
        for path in ("/v1/models/x", "/v1/models/y", "/secret-canary-path"):
            assert (await client.get(path)).status_code == 401
    assert (float(refused), float(nowhere)) == (2, 1)


@pytest.mark.parametrize(
    ("code", "status", "label", "counted"),
    [
        ("rate_limit_exceeded", 429, "rate_limit_exceeded", 1),
        ("insufficient_quota", 429, "insufficient_quota", 1),
        ("overloaded", 503, "overloaded", 1),
        ("something else", 503, OTHER, 1),
        (None, 503, OTHER, 1),
        ("overloaded", 200, "overloaded", 0),
    ],
)
def test_refusals_are_counted_by_their_code(code: str | None, status: int, label: str, counted: int) -> None:
    change = Change("stt_refused_requests_total", code=label)
    Metrics().request("/v1/x", status, 0.1, code, None)
    assert float(change) == counted


def test_a_health_check_while_models_load_is_no_refusal() -> None:
    change = Change("stt_refused_requests_total", code="model_loading")
    Metrics().request("/health", 503, 0.1, "model_loading", None)
    assert float(change) == 0


def worked(caller: Caller | None = None, urgency: Urgency = Urgency.REQUEST, kind: type[Call] = Call) -> Call:
    call = kind(caller=caller or Caller(), urgency=urgency)
    call.record.model = "m"
    call.record.audio_seconds = 40.0
    call.record.languages = {"de": 30.0, "en": 10.0}
    call.record.counts.update({Counted.WINDOWS: 3, Counted.FALLBACKS: 2, Counted.UNCOVERED_MS: 1500})
    call.record.add(Stage.ENGINE, spent=2.0)
    call.record.add(Stage.QUEUE, waited=0.5)
    call.record.add(Stage.RECEIVE, waited=4.0)
    return call


class Relayed(Call):
    @property
    def kind(self) -> str:
        return RELAYED


@pytest.mark.parametrize(
    ("call", "kind", "quality", "audio"),
    [
        (worked(), "request", [3, 2, 1.5], 30),
        (worked(urgency=Urgency.JOB), "job", [3, 2, 1.5], 30),
        (worked(urgency=Urgency.LIVE), "live", [3, 2, 1.5], 0),  # of its turns, not of each pass
        (worked(kind=Relayed), RELAYED, [0, 0, 0], 0),  # the gateway counts it
    ],
    ids=["request", "job", "live", "relayed"],
)
def test_work_is_counted_from_the_record_of_its_call(call: Call, kind: str, quality: list, audio: float) -> None:
    of = {"class": kind, "model": "m"}
    changes = [
        Change("stt_audio_received_seconds_total", **of),
        Change("stt_audio_done_seconds_total", **of),
        Change("stt_stage_spent_seconds_total", **{"class": kind, "stage": "encode+decode"}),
        Change("stt_stage_waited_seconds_total", **{"class": kind, "stage": "queue"}),
        Change("stt_windows_total", model="m"),
        Change("stt_fallbacks_total", model="m"),
        Change("stt_uncovered_seconds_total", model="m"),
        Change("stt_language_audio_seconds_total", language="de"),
        Change("stt_real_time_factor_sum", **{"class": kind}),
    ]
    Metrics().work(call, 8.0, None)
    assert [round(float(change), 6) for change in changes] == [40, 40, 2, 0.5, *quality, audio, 0.1]


def test_failed_work_has_its_code_and_no_factor() -> None:
    failed = Change("stt_failed_recordings_total", **{"class": "request", "code": "invalid_audio"})
    factors = Change("stt_real_time_factor_count", **{"class": "request"})
    Metrics().work(worked(), 8.0, "invalid_audio")
    assert (float(failed), float(factors)) == (1, 0)


def test_keys_are_labels_only_where_that_is_set() -> None:
    caller = Caller(id="key_tenant", name="tenant-canary")
    Metrics().work(worked(caller), 1.0, None)
    Metrics().request("/v1/x", 200, 0.1, None, worked(caller))
    assert value("stt_key_audio_seconds_total", key="tenant-canary") == 0
    named = Metrics(key_names=True)
    named.work(worked(caller), 1.0, None)
    named.request("/v1/x", 200, 0.1, None, worked(caller))
    named.transcribed(caller, "de", 5.0)
    assert value("stt_key_audio_seconds_total", key="tenant-canary") == 45
    assert value("stt_key_requests_total", key="tenant-canary", status="200") == 1


def test_label_values_are_bounded() -> None:
    names = Names(MOST_KEYS)
    labels = {names.label(f"k{number}") for number in range(3 * MOST_KEYS)}
    assert len(labels) == MOST_KEYS + 1
    assert OTHER in labels
    assert names.label("k0") == "k0"


def test_a_counter_follows_a_total() -> None:
    grown, added = Grown(), list[float]()
    for total in (3, 3, 10, 2, 5):  # 2: what counts it was begun anew
        grown.follow(total, added.append)
    assert added == [3, 0, 7, 0, 3]
