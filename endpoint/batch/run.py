"""The driver: what is to be done, what came of it, and what is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa
import structlog
from pyarrow import compute

from endpoint.batch.flow import RETRIES, Todo, ray_cluster, results
from endpoint.batch.output import Known, Output
from endpoint.batch.report import as_html
from endpoint.batch.sources import Item, list_sources
from endpoint.batch.storage import Storage
from endpoint.batch.table import SCHEMA, error_row, options_digest
from endpoint.batch.work import Job
from endpoint.errors import EngineFailed

log = structlog.get_logger(__name__)

REPORT = "report.html"


@dataclass(frozen=True)
class Plan:
    """address: of a cluster, None: this machine. engines: 0: as many as there are GPUs. price: of an engine's hour.

    again: recordings that had a lasting error are tried again.
    """

    sources: Sequence[str]
    job: Job
    address: str | None = None
    engines: int = 0
    price: float | None = None
    currency: str = "USD"
    again: bool = False


@dataclass
class Tally:
    """files, size: to be done, with bytes. done, done_size, audio_seconds, errors: of this run so far. skipped: done
    before. same: found to be done by their content. left_out: files of folders that are no recordings.
    """

    files: int = 0
    size: int = 0
    done: int = 0
    done_size: int = 0
    audio_seconds: float = 0.0
    errors: int = 0
    skipped: int = 0
    same: int = 0
    left_out: int = 0
    engines: int = 0
    price: float | None = None
    began: float = field(default_factory=time.monotonic)
    first: float | None = None  # when the first result came

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def audio_hours(self) -> float:
        return self.audio_seconds / 3600

    @property
    def audio_hours_left(self) -> float | None:
        """By the bytes of an hour so far; None before there is any."""
        if not self.done_size or not self.audio_seconds:
            return None
        return (self.size - self.done_size) * self.audio_seconds / self.done_size / 3600

    @property
    def hours_left(self) -> float | None:
        """Of wall time."""
        if not self.done_size:
            return None
        return self.seconds * (self.size - self.done_size) / self.done_size / 3600

    @property
    def cost(self) -> float | None:
        """Of the engines, from their start on."""
        return None if self.price is None else self.engines * self.seconds / 3600 * self.price

    def add(self, rows: pa.Table) -> None:
        self.first = self.first or time.monotonic()
        self.done += len(rows)
        self.done_size += compute.sum(rows["size"]).as_py() or 0
        self.audio_seconds += compute.sum(rows["duration"]).as_py() or 0.0
        self.errors += len(rows) - rows["error"].null_count
        self.same += compute.sum(rows["same"]).as_py() or 0


Show = Callable[[Tally], None]


def run_batch(plan: Plan, show: Show) -> Tally:
    """Until every recording has a row, and the report is written. show: called now and then.

    What is done stays done, whatever ends it. Raises InvalidRequest, ConfigError, StoreUnavailable.
    """
    storage = Storage()
    output = Output(plan.job.output, storage)
    listing = list_sources(plan.sources, storage)
    if listing.twice:
        log.warning("recordings were named twice, with other columns; the first holds", count=listing.twice)
    output.settle()
    todo, skipped = _todo(listing.items, output.known(), plan)
    tally = Tally(
        len(todo),
        sum(one.item.found.size for one in todo),
        skipped=skipped,
        left_out=listing.left_out,
        price=plan.price,
    )
    show(tally)
    if todo:
        _transcribe(todo, plan, output, tally, show)
    output.settle()
    output.write(REPORT, as_html(output, tally.cost, plan.currency).encode())
    return tally


def _todo(items: Sequence[Item], known: dict[str, Known], plan: Plan) -> tuple[list[Todo], int]:
    """What is not known to be done, and how many are."""
    digests = dict[tuple[str | None, str | None], str]()
    todo = list[Todo]()
    for item in items:
        given = item.language, item.prompt
        if given not in digests:
            options = plan.job.options_of({"language": item.language, "prompt": item.prompt})
            digests[given] = options_digest(options, plan.job.settings)
        digest, before = digests[given], known.get(item.path)
        if before is None or before.options != digest or (before.error and (plan.again or not before.lasting)):
            todo.append(Todo(item, digest))
        elif (before.size, before.modified_ms) != (item.found.size, item.found.modified_ms):
            todo.append(Todo(item, digest, before.content))  # touched, or changed: its content says which
    return todo, len(items) - len(todo)


def _transcribe(todo: Sequence[Todo], plan: Plan, output: Output, tally: Tally, show: Show) -> None:
    missing = {one.item.path: one for one in todo}
    with ray_cluster(plan.address, plan.engines, gpu=plan.job.gpu) as cluster:
        log.info("cluster", nodes=cluster.nodes, cpus=cluster.cpus, gpus=cluster.gpus, engines=cluster.engines)
        tally.engines, tally.began = cluster.engines, time.monotonic()
        try:
            for table in results(todo, plan.job, cluster):
                rows = _new(table, missing)
                tally.add(rows)
                output.add(rows.filter(compute.invert(rows["same"])).select(SCHEMA.names))
                output.flush_old()
                show(tally)
        finally:
            output.flush()  # also at Ctrl-C
    if missing:
        rows = _lost(list(missing.values()))
        tally.add(rows)
        output.add(rows.select(SCHEMA.names))
        output.flush()
        show(tally)


def _new(table: pa.Table, missing: dict[str, Todo]) -> pa.Table:
    """Rows that did not come before: Ray runs a task again whose node was lost."""
    kept = [missing.pop(path, None) is not None for path in table["path"].to_pylist()]
    return table if all(kept) else table.filter(pa.array(kept, pa.bool_()))


def _lost(todo: Sequence[Todo]) -> pa.Table:
    """Rows of recordings that did not come."""
    error = EngineFailed(f"its engine or its node was lost {RETRIES + 1} times while it was worked on")
    log.error("recordings were lost with their engines", count=len(todo))
    now = datetime.now(UTC)
    rows = [
        {
            "path": one.item.path,
            "size": one.item.found.size,
            "modified": one.item.found.modified_ms,
            "metadata": one.item.metadata,
            "options": one.options,
            "finished": now,
            "same": False,
            **error_row(error),
        }
        for one in todo
    ]
    return pa.Table.from_pylist(rows, SCHEMA.append(pa.field("same", pa.bool_())))
