"""The server's own metrics, `stt_...`, and what is counted when. Prometheus' client keeps them, for all processes.

Labels are bounded: routes are templates, models those that are served, codes those of our errors. Keys are no label,
unless METRICS_KEY_NAMES is set.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from endpoint import __version__
from endpoint.admission import Urgency
from endpoint.call import Call, Counted, Stage
from endpoint.caller import Caller

OTHER = "other"  # what has no label of its own
MOST_KEYS = 200  # names of keys that are labels
REFUSALS = frozenset({"rate_limit_exceeded", "insufficient_quota", "overloaded", "model_loading", "store_unavailable"})
POLLED = frozenset({"/health", "/ready", "/internal/v1/info"})  # requested once a second on some platforms
JOB = Urgency.JOB.label
RELAYED = "relayed"  # the class of a gateway's work on its engine servers: the gateway counts it, by its own class
SUPERSEDED = "superseded"  # a pass over an open turn that gave way to one over more of it

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each
REGISTRY = CollectorRegistry()
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_LONG = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600)
_FACTORS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


def _counter(name: str, about: str, *labels: str) -> Counter:
    return Counter(f"stt_{name}", about, labels, registry=REGISTRY)


def _histogram(name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"stt_{name}", about, labels, buckets=buckets, registry=REGISTRY)


def _gauge(name: str, about: str, *labels: str) -> Gauge:
    """Of several processes each has its part."""
    return Gauge(f"stt_{name}", about, labels, registry=REGISTRY, multiprocess_mode="livesum")


REQUESTS = _counter("requests", "Requests, by the route's template, the served model and the status.", "route", "model", "status")  # fmt: skip # noqa: E501
REQUEST_SECONDS = _histogram("request_seconds", "Time of a request, to the last byte of its response.", _SECONDS, "route")  # fmt: skip # noqa: E501
REFUSED = _counter("refused_requests", "Requests refused by a limit or because nothing could serve them.", "code")
RECEIVED = _counter("audio_received_seconds", "Audio of recordings, once they are decoded.", "class", "model")
DONE = _counter("audio_done_seconds", "Audio of recordings that were transcribed.", "class", "model")
FAILED = _counter("failed_recordings", "Work on recordings that ended in an error, by its code.", "class", "code")
FACTOR = _histogram("real_time_factor", "Seconds that a second of audio took.", _FACTORS, "class")
SPENT = _counter("stage_spent_seconds", "Work by stage; that of concurrent windows is added.", "class", "stage")
WAITED = _counter("stage_waited_seconds", "Waiting by stage; that of concurrent windows is added.", "class", "stage")
WINDOWS = _counter("windows", "Windows that were decoded.", "model")
FALLBACKS = _counter("fallbacks", "Hypotheses of a higher temperature than was asked for.", "model")
CONTINUATIONS = _counter("continuations", "Hypotheses of the rest of a window.", "model")
UNCOVERED = _counter("uncovered_seconds", "Speech that got no text.", "model")
LANGUAGES = _counter("language_audio_seconds", "Audio of recordings by their language.", "language")
IN_FLIGHT = _gauge("windows_in_flight", "Windows being decoded.", "class", "model")
STEPS = _counter("engine_steps", "Steps of the engine.", "model")
STEP_WINDOWS = _counter("engine_step_windows", "Windows of all steps of the engine.", "model")
QUEUE = _gauge("queue_audio_seconds", "Audio admitted and not done; queued, of jobs.", "class")
JOBS = _gauge("jobs", "Jobs in the store.", "status")
OLDEST = _gauge("oldest_job_seconds", "Age of the oldest job.", "status")
ENDED = _counter("jobs_ended", "Jobs that ended here.", "status")
JOB_SECONDS = _histogram("job_seconds", "Time of a job, from its submission to its end.", _LONG)
RETRIES = _counter("job_retries", "Jobs begun again, after a worker was lost or had to hand them back.")
WEBHOOKS = _counter("webhooks", "Attempts to deliver a webhook: delivered, failed, or given_up.", "outcome")
WEBHOOKS_WAITING = _gauge("webhooks_waiting", "Webhooks that are to be delivered or were given up.")
KEY_REQUESTS = _counter("key_requests", "Requests by name of the key, with METRICS_KEY_NAMES.", "key", "status")
KEY_AUDIO = _counter("key_audio_seconds", "Audio transcribed by name of the key, with METRICS_KEY_NAMES.", "key")
POSTPROCESS_STEPS = _counter("postprocess_steps", "Steps of a language model, by how they ended and why.", "step", "status", "reason")  # fmt: skip # noqa: E501
POSTPROCESS_SECONDS = _histogram("postprocess_seconds", "Time of a step of a language model.", _SECONDS, "step")
POSTPROCESS_TOKENS = _counter("postprocess_tokens", "Tokens of a language model, prompts included.", "step")
LIVE = _gauge("live_sessions", "Live sessions that are open.")
LIVE_LAG = _histogram("live_lag_seconds", "From the sound to its text: word, final, first.", _SECONDS, "lag")
INFO = Gauge("stt_info", "The version of the server.", ["version"], registry=REGISTRY, multiprocess_mode="livemax")


class Names:
    """A bounded set of label values: those that come first. bound: how many."""

    def __init__(self, bound: int) -> None:
        self._bound, self._known = bound, set[str]()

    def label(self, name: str) -> str:
        if name not in self._known:
            if len(self._known) >= self._bound:
                return OTHER
            self._known.add(name)
        return name


class Metrics:
    """key_names: whether names of keys are labels."""

    def __init__(self, key_names: bool = False) -> None:
        self._key_names = key_names
        self._keys = Names(MOST_KEYS)
        INFO.labels(__version__).set(1)

    def request(self, route: str | None, status: int, seconds: float, code: str | None, call: Call | None) -> None:
        """A request over HTTP has ended. route: its template; None where there is none. code: of its error."""
        named, model = route or OTHER, "" if call is None else call.record.model
        REQUESTS.labels(named, model, str(status)).inc()
        REQUEST_SECONDS.labels(named).observe(seconds)
        if status in (429, 503) and route not in POLLED:
            REFUSED.labels(code if code in REFUSALS else OTHER).inc()
        if self._key_names and call is not None:
            KEY_REQUESTS.labels(self._key(call.caller), str(status)).inc()

    def work(self, call: Call, seconds: float, failure: str | None) -> None:
        """Work on the recordings of a call has ended. failure: code of the error, if there was one."""
        record, kind, model = call.record, call.kind, call.record.model
        for totals, counter in ((record.spent, SPENT), (record.waited, WAITED)):
            for stage, took in totals.items():
                counter.labels(kind, stage.value).inc(took)
        if failure is not None and failure not in REFUSALS and failure != SUPERSEDED:
            FAILED.labels(kind, failure).inc()
        if not record.audio_seconds:
            return
        RECEIVED.labels(kind, model).inc(record.audio_seconds)
        DONE.labels(kind, model).inc(sum(record.languages.values()))
        if failure is None:
            FACTOR.labels(kind).observe(
                max(0.0, seconds - record.waited.get(Stage.RECEIVE, 0.0)) / record.audio_seconds
            )
        if kind != RELAYED:
            self._found(call)

    def _found(self, call: Call) -> None:
        """What is counted without a class of work."""
        record, model = call.record, call.record.model
        if call.urgency is not Urgency.LIVE:  # whose turns are counted when they have ended
            for language, seconds in record.languages.items():
                self.transcribed(call.caller, language, seconds)
        WINDOWS.labels(model).inc(record.counts[Counted.WINDOWS])
        FALLBACKS.labels(model).inc(record.counts[Counted.FALLBACKS])
        CONTINUATIONS.labels(model).inc(record.counts[Counted.CONTINUATIONS])
        UNCOVERED.labels(model).inc(record.counts[Counted.UNCOVERED_MS] / 1000)

    def transcribed(self, caller: Caller, language: str, audio_seconds: float) -> None:
        """Audio of a caller that got a transcript."""
        LANGUAGES.labels(language).inc(audio_seconds)
        if self._key_names:
            KEY_AUDIO.labels(self._key(caller)).inc(audio_seconds)

    def _key(self, caller: Caller) -> str:
        return self._keys.label(caller.name or caller.id)


def live_lag(lag: str, seconds: float) -> None:
    """lag: from the sound to its text, of a word, of a turn's end (final), of its beginning (first)."""
    LIVE_LAG.labels(lag).observe(seconds)


def job_begun(attempts: int) -> None:
    """attempts: how often workers took it, this time included."""
    if attempts > 1:
        RETRIES.inc()


def job_ended(status: str, seconds: float) -> None:
    """seconds: since its submission."""
    ENDED.labels(status).inc()
    JOB_SECONDS.observe(seconds)


def webhook_sent(outcome: str) -> None:
    """outcome: delivered, failed or given_up."""
    WEBHOOKS.labels(outcome).inc()


def postprocess_step(step: str, status: str, reason: str | None, seconds: float, tokens: int) -> None:
    """A step of a language model has ended. reason: a code; None where all was done."""
    POSTPROCESS_STEPS.labels(step, status, reason or "").inc()
    POSTPROCESS_SECONDS.labels(step).observe(seconds)
    POSTPROCESS_TOKENS.labels(step).inc(tokens)


class Grown:
    """A counter that follows a total which is kept elsewhere. add: counts what it grew by."""

    def __init__(self) -> None:
        self._last = 0

    def follow(self, total: int, add: Callable[[float], None]) -> None:
        add(max(0, total - self._last))
        self._last = total
