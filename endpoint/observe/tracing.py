"""Traces by OpenTelemetry: one span for each call, with a child for each of its stages. Off without a collector.

The packages are loaded only then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from endpoint import __version__
from endpoint.call import Call
from endpoint.errors import ConfigError
from endpoint.observe.metrics import SUPERSEDED

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

NAME = "speech_to_text"
_NANO = 1_000_000_000


def open_traces(endpoint: str) -> OpenTelemetry | None:
    """endpoint: base address of a collector; empty: no traces. Raises ConfigError where the packages are missing.

    The SDK reads its own variables too: OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and others.
    """
    if not endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT: {error.name} is missing; install the extra `trace`, or unset it"
        ) from error
    return OpenTelemetry(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces"))


class OpenTelemetry:
    """at_once: spans are exported as they end, which only tests need."""

    def __init__(self, exporter: SpanExporter, *, at_once: bool = False) -> None:
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

        own = Resource({SERVICE_NAME: "whisper-endpoint", SERVICE_VERSION: __version__})
        self._provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
        self._provider.add_span_processor((SimpleSpanProcessor if at_once else BatchSpanProcessor)(exporter))
        self._tracer = self._provider.get_tracer("endpoint", __version__)

    def begin(self, traceparent: str) -> CallSpan:
        """The span of a call. traceparent: of what it is a part; empty: of nothing."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        sent = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
        return CallSpan(self._tracer, self._tracer.start_span(NAME, sent, SpanKind.SERVER))

    def close(self) -> None:
        self._provider.shutdown()


class CallSpan:
    def __init__(self, tracer: Any, span: Span) -> None:
        self._tracer, self._span = tracer, span

    @property
    def traceparent(self) -> str:
        """For what the call sets off."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def end(self, call: Call, failure: str | None) -> None:
        """With the stages of the call's record, each from its first begin to its last end."""
        from opentelemetry.trace import Status, StatusCode, set_span_in_context

        record, here = call.record, set_span_in_context(self._span)
        for stage, (began, ended) in record.ends.items():
            seconds = {"spent_seconds": record.spent.get(stage, 0.0), "waited_seconds": record.waited.get(stage, 0.0)}
            child = self._tracer.start_span(stage.value, here, attributes=seconds, start_time=int(began * _NANO))
            child.end(int(ended * _NANO))
        self._span.update_name(f"{NAME} {record.model}".rstrip())
        self._span.set_attributes(
            {
                "stt.call": call.id,
                "stt.model": record.model,
                "stt.class": call.kind,
                "stt.audio_seconds": record.audio_seconds,
                "stt.languages": list(record.languages),
            }
        )
        if failure is not None:
            self._span.set_attribute("error.type", failure)
            if failure != SUPERSEDED:
                self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()
