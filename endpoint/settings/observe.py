"""Settings of what operators see: log, metrics, traces, samples."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from endpoint.settings.base import setting


class ObserveSettings(BaseModel):
    """Log, metrics, traces, samples."""

    log_format: Literal["auto", "json", "console"] = setting(
        "auto", "Lines of the log: `json`, `console`, or `auto`: `console` on a terminal, else `json`."
    )
    metrics: bool = setting(True, "Serve `/metrics`, and have the engine count for it.")
    metrics_port: int | None = setting(
        None, "A port for `/metrics` alone, without keys; unset: it is among the other routes on `PORT`.",
        ge=1, le=65535,
    )  # fmt: skip
    metrics_host: str = setting("127.0.0.1", "Address that `METRICS_PORT` listens on.")
    metrics_key_names: bool = setting(False, "Count requests and audio by the names of keys as well.")
    otel_exporter_otlp_endpoint: str = setting(
        "", "Where traces go by OTLP over HTTP, such as http://collector:4318; empty: none are made."
    )
    sample_share: float = setting(
        0.0, "Share of recordings that are kept with their transcripts, 0 to 1; of keys that consent.", ge=0, le=1
    )
    sample_folder: str = setting("", "Folder of the kept recordings; empty: whisper-endpoint/samples in "
        "`XDG_STATE_HOME`, or in ~/.local/state.")  # fmt: skip
    sample_megabytes: int = setting(1024, "Most MiB of kept recordings; no more are kept then.", ge=1)
    sample_anonymous: bool = setting(False, "Callers without a key consent to being kept as samples.")
