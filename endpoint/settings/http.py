"""Settings of the HTTP API: its address, and the limits of a request."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, field_validator
from pydantic_core import PydanticCustomError

from endpoint.settings.base import setting, split


class HttpSettings(BaseModel):
    """The HTTP API."""

    host: str = setting("127.0.0.1", "Address to listen on; `0.0.0.0`: all of this machine.", "host", "interface")
    port: int = setting(8000, "Port to listen on.", ge=0, le=65535)
    cors_origins: str = setting(
        "", "Origins of web pages that may call, such as https://app.example, separated by commas; `*`: all."
    )
    page: bool = setting(True, "Serve the page for people at `/`; else browsers get links to the documentation there.")
    strict_fields: bool = setting(False, "Refuse unknown fields; else the response names them in `warnings`.")
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", "How much is logged.")
    max_upload_mb: int = setting(512, "Largest upload, in MiB (1,048,576 bytes).", ge=1)
    max_audio_seconds: int = setting(4 * 3600, "Longest recording, in seconds.", ge=1)
    max_concurrent_requests: int = setting(256, "Requests worked on at once; more are refused with 503.", ge=1)
    max_concurrent_audio_seconds: int = setting(
        360_000, "Seconds of audio worked on at once; more is refused with 503, unless it is a single request.", ge=1
    )
    request_timeout_seconds: float = setting(600.0, "Longest a request may take, in seconds; then 504.", gt=0)
    stop_delay_seconds: float = setting(
        0.0, "Seconds after SIGTERM in which requests are still taken while /ready is 503; load balancers need them.",
        ge=0,
    )  # fmt: skip
    url_hosts: str = setting("", "Hosts that `url` may name, separated by commas; empty: any public one.")
    url_networks: str = setting(
        "", "Private networks that `url` may lead to, such as 10.1.0.0/16, separated by commas."
    )

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        origins = split(value)
        if origins != ["*"] and not all(re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s*?#]+", origin) for origin in origins):
            raise PydanticCustomError("origins", "say `*`, or origins such as https://app.example, without a path")
        return ",".join(origins)
