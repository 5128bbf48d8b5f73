"""Logging: one JSON object a line, or coloured text on a terminal. No transcripts, file names or secrets.

Libraries are not shown below INFO: at DEBUG some write headers and bodies, keys and audio among them.
"""

from __future__ import annotations

import logging
import sys
from traceback import StackSummary, walk_tb

import structlog

OURS = "endpoint"  # the package; loggers of its modules are below it
# Messages of these quote the value that was wrong, which may be a transcript.
QUOTING = (ValueError, LookupError, TypeError)


def configure_logging(level: str, style: str = "auto", process: str = "") -> None:
    """Send structlog's and the standard library's records to stderr at `level` (debug, info, warning, error).

    style: json, console, or auto: console on a terminal. process: name of this process, added to every line where there
    are several.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_frames),
    ]
    if process:
        shared.append(lambda _, __, event: {**event, "process": process})
    renderer: structlog.types.Processor = structlog.processors.JSONRenderer()
    if style == "console" or (style == "auto" and sys.stderr.isatty()):
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
    root.setLevel(max(number, logging.INFO))
    logging.getLogger(OURS).setLevel(number)
    for noisy in ("httpx", "httpx2", "httpcore", "asyncio"):
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))
    for chatty in ("python_multipart", "vllm"):  # the first warns of every malformed form
        logging.getLogger(chatty).setLevel(logging.INFO if level == "debug" else logging.ERROR)


def _frames(exc_info: structlog.typing.ExcInfo) -> str:
    """A traceback with its causes; without the message where that may quote what a caller sent."""
    lines, seen = list[str](), set[int]()
    error: BaseException | None = exc_info[1]
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        message = f"({type(error).__name__}: its message may quote a request)"
        shown = message if isinstance(error, QUOTING) else f"{type(error).__name__}: {error}"
        stack = StackSummary.extract(walk_tb(error.__traceback__), lookup_lines=True).format()
        lines.insert(0, "".join([*stack, shown]))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nthen:\n".join(lines)
