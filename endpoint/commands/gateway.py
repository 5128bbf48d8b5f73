"""`endpoint gateway`: the whole API without a model of its own. The work is done by engine servers (ENGINES)."""

from __future__ import annotations

from endpoint.commands.serve import begin, serve_with
from endpoint.config import load_settings
from endpoint.errors import ConfigError


def run(argv: list[str]) -> int:
    settings = load_settings(argv, prog="endpoint gateway")
    if not settings.engines:
        raise ConfigError("ENGINES: a gateway needs the addresses of its engine servers")
    begin(settings).info("gateway", engines=settings.engines)
    return serve_with(settings, [{}])
