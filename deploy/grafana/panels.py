"""What the dashboards show: titles, queries, units. `python -m deploy.grafana` writes the JSON that Grafana loads."""

from __future__ import annotations

from dataclasses import dataclass

RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Panel:
    """queries: (expression in PromQL, legend). unit: Grafana's name of it. width: of 24. stat: one number, no graph."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    width: int = 8
    stat: bool = False
    about: str = ""


def one(title: str, expression: str, unit: str = "short", **more: object) -> Panel:
    return Panel(title, ((expression, ""),), unit, 4, True, **more)  # type: ignore[arg-type]


def graph(title: str, *queries: tuple[str, str], unit: str = "short", width: int = 8, about: str = "") -> Panel:
    return Panel(title, queries, unit, width, about=about)


def rate(name: str, by: str = "", only: str = "") -> str:
    """How fast a counter of ours grows a second. only: a condition on its labels."""
    grown = f"(rate(stt_{name}{only}{RATE}))"
    return f"sum by ({by}) {grown}" if by else f"sum{grown}"


def share(part: str, whole: str, by: str = "", only: str = "") -> str:
    """only: a condition on the labels of the whole."""
    return f"{rate(part, by)} / {rate(whole, by, only)}"


def quantile(share: float, name: str, by: str = "") -> str:
    return f"histogram_quantile({share}, {rate(f'{name}_bucket', f'le, {by}' if by else 'le')})"


def top(expression: str) -> str:
    return f"topk(10, {expression})"


KEYED = "Needs METRICS_KEY_NAMES."
# A gateway passes requests on to engine servers, which count them under another class and under internal routes.
OWN, ASKED = '{class!="relayed"}', '{route!~"/internal/.*"}'
FAULTS = rate("requests_total", only='{route!~"/internal/.*",status=~"5.."}')
REQUESTED = rate("requests_total", only=ASKED)

OVERVIEW = (
    one("Servers up", 'sum(up{job="stt"})'),
    one("Requests/s", REQUESTED, "reqps"),
    one("Audio, seconds per second", rate("audio_done_seconds_total", only=OWN)),
    one("Share of 5xx", f"{FAULTS} / {REQUESTED}", "percentunit"),
    one("Queued jobs", 'sum(stt_jobs{status="queued"})'),
    one("Audio under way", 'sum(stt_queue_audio_seconds{class=~"live|request"})', "s"),
    graph("Requests by status", (rate("requests_total", "status", ASKED), "{{status}}"), unit="reqps"),
    graph("Requests by route", (rate("requests_total", "route"), "{{route}}"), unit="reqps"),
    graph(
        "Time of a request",
        (quantile(0.5, "request_seconds"), "half"),
        (quantile(0.95, "request_seconds"), "95 %"),
        unit="s",
    ),
    graph("Audio transcribed, seconds per second", (rate("audio_done_seconds_total", "class"), "{{class}}")),
    graph(
        "Seconds for a second of audio",
        (quantile(0.5, "real_time_factor", "class"), "{{class}}, half"),
        (quantile(0.95, "real_time_factor", "class"), "{{class}}, 95 %"),
    ),
    graph("Refused requests", (rate("refused_requests_total", "code"), "{{code}}"), unit="reqps"),
)

CAPACITY = (
    graph("Queue of audio", ("sum by (class) (stt_queue_audio_seconds)", "{{class}}"), unit="s"),
    graph("Windows in flight", ("sum by (class) (stt_windows_in_flight)", "{{class}}")),
    graph("Windows per engine step", (share("engine_step_windows_total", "engine_steps_total", "model"), "{{model}}")),
    graph("Engine steps", (rate("engine_steps_total", "model"), "{{model}}"), unit="ops"),
    graph(
        "Work by stage",
        (rate("stage_spent_seconds_total", "class, stage"), "{{class}} {{stage}}"),
        about="How many are busy.",
    ),
    graph(
        "Waiting by stage",
        (rate("stage_waited_seconds_total", "class, stage"), "{{class}} {{stage}}"),
        about="How many wait.",
    ),
    graph("Jobs", ("sum by (status) (stt_jobs)", "{{status}}")),
    graph("Age of the oldest job", ("max by (status) (stt_oldest_job_seconds)", "{{status}}"), unit="s"),
    graph(
        "Jobs ended",
        (rate("jobs_ended_total", "status"), "{{status}}"),
        (rate("job_retries_total"), "begun again"),
        unit="ops",
    ),
    graph(
        "Time of a job",
        (quantile(0.5, "job_seconds"), "half"),
        (quantile(0.95, "job_seconds"), "95 %"),
        unit="s",
    ),
    graph(
        "Webhooks",
        (rate("webhooks_total", "outcome"), "{{outcome}}"),
        ("sum(stt_webhooks_waiting)", "waiting"),
    ),
    graph(
        "Memory of the server", ("process_resident_memory_bytes", "{{instance}}"), unit="bytes", about="Of one process."
    ),
    graph("Live sessions", ("sum(stt_live_sessions)", "open")),
    graph("Lag of live text, 95 %", (quantile(0.95, "live_lag_seconds", "lag"), "{{lag}}"), unit="s"),
    graph("GPU use", ("stt_gpu_utilization_ratio", "{{instance}} {{gpu}}"), unit="percentunit"),
    graph(
        "GPU memory", ("stt_gpu_memory_used_bytes / stt_gpu_memory_bytes", "{{instance}} {{gpu}}"), unit="percentunit"
    ),
    graph(
        "Requests in vLLM",
        ("sum by (model_name) (vllm:num_requests_running)", "{{model_name}} running"),
        ("sum by (model_name) (vllm:num_requests_waiting)", "{{model_name}} waiting"),
    ),
    graph(
        "Key-value cache of vLLM",
        ("max by (model_name) (vllm:kv_cache_usage_perc)", "{{model_name}}"),
        unit="percentunit",
    ),
)

QUALITY = (
    one("Hotter hypotheses per window", share("fallbacks_total", "windows_total"), "percentunit"),
    one(
        "Share of audio uncovered",
        share("uncovered_seconds_total", "audio_done_seconds_total", only=OWN),
        "percentunit",
    ),
    one("Recordings that failed, per second", rate("failed_recordings_total", only=OWN)),
    graph(
        "Hotter decoding",
        (share("fallbacks_total", "windows_total", "model"), "{{model}}"),
        unit="percentunit",
        about="Hypotheses of a fallback temperature per window.",
    ),
    graph(
        "Continuations",
        (share("continuations_total", "windows_total", "model"), "{{model}}"),
        unit="percentunit",
        about="Windows whose text ended before their speech.",
    ),
    graph(
        "Uncovered speech",
        (share("uncovered_seconds_total", "audio_done_seconds_total", "model", OWN), "{{model}}"),
        unit="percentunit",
    ),
    graph("Audio by language, seconds per second", (rate("language_audio_seconds_total", "language"), "{{language}}")),
    graph("Failed recordings", (rate("failed_recordings_total", "class, code"), "{{class}} {{code}}")),
    graph(
        "Steps of the language model",
        (rate("postprocess_steps_total", "step, status, reason"), "{{step}} {{status}} {{reason}}"),
        unit="ops",
        about="Raw text stands where a step is not done. Needs LLM_BASE_URL.",
    ),
    graph(
        "Time of a step of the language model, 95 %",
        (quantile(0.95, "postprocess_seconds", "step"), "{{step}}"),
        unit="s",
    ),
    graph("Tokens of the language model", (rate("postprocess_tokens_total", "step"), "{{step}}")),
    graph(
        "Audio received and not transcribed",
        (
            f"{rate('audio_received_seconds_total', only=OWN)} - {rate('audio_done_seconds_total', only=OWN)}",
            "seconds per second",
        ),
    ),
)

TENANTS = (
    graph("Requests", (top(rate("key_requests_total", "key")), "{{key}}"), unit="reqps", width=12, about=KEYED),
    graph("Audio, seconds per second", (top(rate("key_audio_seconds_total", "key")), "{{key}}"), width=12, about=KEYED),
    graph(
        "Requests that failed",
        (top(rate("key_requests_total", "key", '{status=~"[45].."}')), "{{key}}"),
        unit="reqps",
        width=12,
        about=KEYED,
    ),
    graph(
        "Audio in 24 hours",
        (top("sum by (key) (increase(stt_key_audio_seconds_total[24h]))"), "{{key}}"),
        unit="s",
        width=12,
        about=KEYED,
    ),
)

DASHBOARDS = {"overview": OVERVIEW, "capacity": CAPACITY, "quality": QUALITY, "tenants": TENANTS}
