"""The stream of recordings through Ray: read and decode, transcribe, finish; Ray Data holds back what is too fast.

What is between the stages is in blocks of about BLOCK_BYTES, in the object store of the nodes, which is bounded: a
stage gets no more tasks while what it has made waits. So memory depends on the nodes and not on the recordings.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import structlog

from endpoint.batch.sources import Item
from endpoint.batch.work import EngineActor, Job, finish, read
from endpoint.config import add_environment
from endpoint.errors import ConfigError, EngineFailed

log = structlog.get_logger(__name__)

BLOCK_BYTES = 32 << 20  # of sound, 17 minutes
GUESSED_BYTES = 16 << 20  # of files for one task that reads: at 128 kbit/s 17 minutes
MOST_TASK_FILES = 256
MOST_TASKS = 10_000  # that read; with more files each has more of them
FILES_AT_ONCE = 64  # of a block, in an actor; with CALLS_AT_ONCE blocks twice as many as the engine's batch has windows
CALLS_AT_ONCE, CALLS_QUEUED = 4, 6  # blocks that an actor works on, and that are sent to it
RETRIES = 3  # of a block whose actor or node was lost, before its recordings count as lost
ENGINE_CPUS = 0.01  # without a GPU: it uses all, but must leave the tasks some to be counted by
READ_CPUS = FINISH_CPUS = 0.5  # of a task; the decoding process has one thread

ITEMS = pa.schema(
    [
        ("path", pa.string()),
        ("size", pa.int64()),
        ("modified", pa.timestamp("ms", "UTC")),
        ("metadata", pa.string()),
        ("options", pa.string()),
        ("language", pa.string()),
        ("prompt", pa.string()),
        ("known", pa.string()),  # content that the output has of this path, with these options
    ]
)


@dataclass(frozen=True)
class Todo:
    """A recording that is not known to be done. options: digest. known: see ITEMS."""

    item: Item
    options: str
    known: str = ""


@dataclass(frozen=True)
class Cluster:
    """engines: actors. gpu: with a GPU each."""

    nodes: int
    cpus: float
    gpus: int
    engines: int
    gpu: bool


@contextmanager
def ray_cluster(address: str | None, engines: int, *, gpu: bool) -> Iterator[Cluster]:
    """Joined at `address`, or started on this machine and ended. engines: 0: one a GPU, without GPUs one a node.

    gpu: whether the engine can use one. Raises ConfigError.
    """
    # Before the import: the number of rows of an actor, and that nothing is reported to Ray's makers.
    add_environment(
        {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DEFAULT_ASYNC_ROW_UDF_MAX_CONCURRENCY": str(FILES_AT_ONCE)}
    )
    try:
        import ray
        from ray.data import DataContext
    except ModuleNotFoundError as error:
        raise ConfigError(f"`endpoint batch` needs Ray ({error.name} is missing): install the extra `ray`") from error

    more = {} if address else {"include_dashboard": False}
    try:
        ray.init(address or "local", log_to_driver=False, logging_level="warning", **more)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"Ray: {error}") from error
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = DataContext.get_current()
        context.target_max_block_size = BLOCK_BYTES
        context.max_errored_blocks = -1  # a block that is lost for good is found missing at the end
        context.enable_progress_bars = context.print_on_execution_start = False
        alive = [node for node in ray.nodes() if node["Alive"]]
        total = ray.cluster_resources()
        gpus = int(total.get("GPU", 0)) if gpu else 0
        count = engines or gpus or len(alive)
        if gpus and count > gpus:
            raise ConfigError(f"--actors {count}: the cluster has {gpus} GPUs")
        yield Cluster(len(alive), total.get("CPU", 0.0), gpus, count, gpus > 0)
    finally:
        ray.shutdown()


def results(todo: Sequence[Todo], job: Job, cluster: Cluster) -> Iterator[pa.Table]:
    """Tables of the output's schema and `same`, as recordings are done, in any order.

    After a lost node some come twice. Recordings of a block that was lost RETRIES times more do not come. Raises
    EngineFailed where no engine can be loaded.
    """
    import ray
    from ray.data import ActorPoolStrategy
    from ray.data.exceptions import SystemException, UserCodeException
    from ray.exceptions import RayError
    from ray.util.annotations import RayDeprecationWarning

    rows: Any = ray.data.from_arrow(_blocks(todo, cluster))
    rows = rows.map(read, fn_kwargs={"job": job}, num_cpus=READ_CPUS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RayDeprecationWarning)  # the number of retries has no other name yet
        rows = rows.map(
            EngineActor,
            fn_constructor_kwargs={"job": job},
            compute=ActorPoolStrategy(
                size=cluster.engines,
                max_tasks_in_flight_per_actor=CALLS_QUEUED,
                max_concurrent_calls_per_actor=CALLS_AT_ONCE,
            ),
            **({"num_gpus": 1} if cluster.gpu else {"num_cpus": ENGINE_CPUS}),
            max_task_retries=RETRIES,
        )
    rows = rows.map_batches(finish, fn_kwargs={"job": job}, batch_size=None, batch_format="pyarrow",
                            num_cpus=FINISH_CPUS)  # fmt: skip
    try:
        yield from rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    except (RayError, UserCodeException, SystemException) as error:
        reasons = [line.strip() for line in f"{error}\n{error.__cause__ or ''}".splitlines() if line.strip()]
        raise EngineFailed(f"Ray ended the run; what is done stays done: {reasons[-1]}") from error


def _blocks(todo: Sequence[Todo], cluster: Cluster) -> list[pa.Table]:
    """One for each task that reads: about GUESSED_BYTES of files, and enough tasks for all engines."""
    total = sum(one.item.found.size for one in todo)
    wanted = max(total / GUESSED_BYTES, len(todo) / MOST_TASK_FILES, min(len(todo), 8.0 * cluster.engines))
    most = max(1.0, total / min(wanted, MOST_TASKS))
    tables, block, size = list[pa.Table](), list[Todo](), 0.0
    longest = math.ceil(len(todo) / min(wanted, MOST_TASKS))
    for one in todo:
        block.append(one)
        size += one.item.found.size
        if size >= most or len(block) >= longest:
            tables.append(_table(block))
            block, size = [], 0.0
    return [*tables, _table(block)] if block else tables


def _table(block: Sequence[Todo]) -> pa.Table:
    columns = {
        "path": [one.item.path for one in block],
        "size": [one.item.found.size for one in block],
        "modified": [one.item.found.modified_ms for one in block],
        "metadata": [one.item.metadata for one in block],
        "options": [one.options for one in block],
        "language": [one.item.language for one in block],
        "prompt": [one.item.prompt for one in block],
        "known": [one.known for one in block],
    }
    return pa.table(columns, ITEMS)
