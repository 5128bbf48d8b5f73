"""Logging: one JSON object a line, or coloured text on a terminal. No transcripts, file names or secrets."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logging(level: str, process: str = "") -> None:
    """Send structlog's and the standard library's records to stderr at `level` (debug, info, warning, error).

    process: name of this process, added to every line where there are several.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if process:
        shared.append(lambda _, __, event: {**event, "process": process})
    renderer: structlog.types.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)
    for noisy in ("httpx", "httpx2", "httpcore", "asyncio"):
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))
    for frank in ("uvicorn.error", "websockets"):  # at debug level they write headers of sockets, with keys in them
        logging.getLogger(frank).setLevel(max(number, logging.INFO))
    for chatty in ("python_multipart", "vllm"):  # the first warns of every malformed form
        logging.getLogger(chatty).setLevel(number if level == "debug" else logging.ERROR)
