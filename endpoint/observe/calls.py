"""Work on recordings, observed from its begin to its end: metrics and a trace. Requests, jobs and live turns use it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from endpoint.admission import Urgency
from endpoint.call import Call
from endpoint.config import Settings
from endpoint.errors import EndpointError
from endpoint.observe.metrics import SUPERSEDED, Metrics
from endpoint.observe.tracing import OpenTelemetry, open_traces

LEFT = "client_gone"  # the caller left, or the server had to give it up
FAULT = EndpointError.code
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Observer:
    """One of each process."""

    def __init__(self, metrics: Metrics, traces: OpenTelemetry | None = None) -> None:
        self.metrics, self._traces = metrics, traces

    @classmethod
    def of(cls, settings: Settings) -> Observer:
        """Raises ConfigError where traces are asked for and their packages are missing."""
        return cls(Metrics(settings.metrics_key_names), open_traces(settings.otel_exporter_otlp_endpoint))

    @contextmanager
    def observing(self, call: Call) -> Iterator[Call]:
        """The call, now a part of its trace; what its record has at the end of the block is counted.

        Its `traceparent` is passed on to its job and its webhook whether there are traces or not.
        """
        sent = call.traceparent if _TRACEPARENT.fullmatch(call.traceparent) else ""
        span = None if self._traces is None else self._traces.begin(sent)
        began, failure = time.monotonic(), None
        try:
            yield replace(call, traceparent=sent if span is None else span.traceparent)
        except BaseException as error:
            failure = _code(error, call)
            raise
        finally:
            self.metrics.work(call, time.monotonic() - began, failure)
            if span is not None:
                span.end(call, failure)

    def close(self) -> None:
        """Send what is not sent yet."""
        if self._traces is not None:
            self._traces.close()


def measured(call: Call) -> dict[str, Any]:
    """For a log line: who, which model, seconds of audio, languages, milliseconds by stage. Nothing of the content."""
    record = call.record
    return {
        "key": call.caller.name or call.caller.id,
        "model": record.model or None,
        "audio_seconds": round(record.audio_seconds, 3) or None,
        "languages": list(record.languages),
        "stages": record.milliseconds(),
    }


def _code(error: BaseException, call: Call) -> str:
    """That of the error, where it has one. Whatever else is no Exception cancelled the work."""
    if not isinstance(error, Exception):
        return SUPERSEDED if call.urgency is Urgency.LIVE else LEFT
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else FAULT
