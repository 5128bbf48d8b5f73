"""Documents between a gateway and an engine server."""

from __future__ import annotations

from endpoint.admission import Urgency
from endpoint.call import Call, Priority, Record, Stage
from endpoint.caller import Caller, Limits
from endpoint.codec import decode, encode
from endpoint.gateway.wire import Kind, Measured, Work, head, line
from endpoint.options import Options


def test_a_call_and_its_options_go_along() -> None:
    call = Call(
        "req_1",
        Caller("key_1", "ours", limits=Limits(upload_mb=1)),
        Priority.HIGH,
        5.0,
        urgency=Urgency.LIVE,
        traceparent="00-a",
    )
    options = Options(language="de", prompt="a\nb", words=True)
    sent = head(Work.of("small", options, call, {3: b"\x00\xff\n"}))
    assert sent.endswith(b"\n")
    assert sent.count(b"\n") == 1
    work = decode(Work, sent)
    assert (work.model, work.options, work.found) == ("small", options, {3: b"\x00\xff\n"})
    assert (work.id, work.priority, work.seconds, work.urgency) == ("req_1", Priority.HIGH, 5.0, Urgency.LIVE)
    assert work.traceparent == "00-a"
    assert work.asked_by() == Caller("key_1", "ours")  # the gateway has applied the limits


def test_without_a_checkpoint_there_are_no_windows() -> None:
    assert decode(Work, head(Work.of("small", Options(), Call(), None))).found is None


def test_measurements_are_added_and_unknown_stages_are_left_out() -> None:
    record, there = Record(), Record()
    record.add(Stage.RECEIVE, spent=1.0)
    there.add(Stage.ENGINE, spent=2.0, waited=0.5)
    measured = decode(Measured, encode(Measured, Measured.of(there)))
    Measured({**measured.spent, "later": 1.0}, measured.waited).add_to(record)
    assert record.milliseconds() == {"receive": 1000, "encode+decode": 2000, "encode+decode_wait": 500}


def test_a_line_is_one_line() -> None:
    assert line(Kind.PING) == b"ping {}\n"
