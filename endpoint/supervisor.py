"""Several processes as one server: engines, one for each GPU, and API processes that all use all of them.

The supervisor loads no model and serves no request. It starts the others, waits until one ends or a signal comes, and
then ends them all: first the API processes, which finish their requests, then the engines. None is restarted: vLLM's
engine accepts its clients only at its start, and whoever runs the server restarts it as a whole anyway.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import RawArray
from threading import Thread
from typing import Any, NoReturn

import structlog

from endpoint.admission import Load
from endpoint.config import Settings, add_environment
from endpoint.engine.inside import process
from endpoint.engine.placement import Environment, Link, find_engines
from endpoint.errors import ConfigError, EndpointError
from endpoint.models import Peers
from endpoint.wiring import Links, each_served

DRAIN_SECONDS = 60  # requests in flight get this long after SIGTERM
LAST_SECONDS = 10  # then API processes get this long to exit

Serve = Callable[[Settings, socket.socket, Links, Peers], int]  # runs an API process; returns its exit status
Work = Callable[..., int]

log = structlog.get_logger(__name__)
_spawn = multiprocessing.get_context("spawn")  # a fork would copy the locks that threads hold


class _Ended(Exception):
    """The supervisor ends. status: its exit status."""

    def __init__(self, status: int) -> None:
        self.status = status


@dataclass(frozen=True)
class _Child:
    """reports: gives None when it is ready, or why it ends."""

    name: str
    process: BaseProcess
    reports: Connection

    @classmethod
    def start(cls, name: str, folder: str, work: Work, *given: Any) -> _Child:
        """A process that does work(report, *given), and ends with the supervisor."""
        reports, report = multiprocessing.Pipe(duplex=False)
        process = _spawn.Process(target=_be, args=(folder, work, report, *given), name=name)
        process.start()
        report.close()
        return cls(name, process, reports)

    def message(self) -> str | None:
        """None if it is ready, else why it ends."""
        try:
            message: str | None = self.reports.recv()
        except EOFError:
            return "it gave no reason; the lines above may"
        return message


def _be(folder: str, work: Work, report: Connection, *given: Any) -> NoReturn:
    """Runs in the child."""
    os.setsid()  # Ctrl-C is for the supervisor, which ends the others in order
    # The default. A spawned process has named locks, which stay behind if it is killed.
    multiprocessing.set_start_method("fork", force=True)
    Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    try:
        status = work(report, *given)
    except EndpointError as error:
        report.send(error.message)
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # everything is closed; Python's own exit takes seconds with torch


def _end_with_parent(folder: str) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    shutil.rmtree(folder, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGKILL)


def engines_of(settings: Settings) -> list[Environment]:
    """What is added to the environment of each engine's process. Raises ConfigError.

    A process of its own finds it, since torch takes 0.3 GB of memory.
    """
    if not settings.runs_vllm or not (settings.gpus or settings.front_processes(1) > 1):
        return [{}]
    child = _Child.start("look", "", _look, settings)
    try:
        found: list[Environment] | str = child.reports.recv()
    except EOFError:
        found = "the process that looks for GPUs ended; the lines above may say why"
    child.process.join()
    if isinstance(found, str):
        raise ConfigError(found)
    return found


def _look(report: Connection, settings: Settings) -> int:
    report.send(find_engines(settings))
    return 0


def share(settings: Settings, processes: int, number: int) -> Settings:
    """Settings of API process `number`, with its share of the decoding processes, at least one."""
    whole, rest = divmod(settings.decode_processes, processes)
    return settings.model_copy(update={"decode_workers": max(1, whole + (number < rest))})


def supervise(
    settings: Settings, engines: Sequence[Environment], sockets: Sequence[socket.socket], serve: Serve
) -> int:
    """Serve until a signal comes (0) or a process ends (its status; 1 where that is before all are ready).

    engines: the environment of each. sockets: bound, one for each API process. In the main thread only.
    """
    # For the engines' sockets; no other user may enter it.
    with tempfile.TemporaryDirectory(prefix="endpoint-", ignore_cleanup_errors=True) as folder:
        # Before any process starts: the metrics of all of them are together in files.
        os.mkdir(metrics := os.path.join(folder, "metrics"))
        add_environment({"PROMETHEUS_MULTIPROC_DIR": metrics})
        supervisor = _Supervisor(settings, engines, len(sockets), folder)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, supervisor.on_signal)
        try:
            supervisor.start(sockets, serve)
            while True:
                supervisor.wait()
        except _Ended as ended:
            return ended.status
        finally:
            supervisor.stop()


class _Supervisor:
    def __init__(self, settings: Settings, engines: Sequence[Environment], count: int, folder: str) -> None:
        self._settings, self._environments, self._folder = settings, engines, folder
        self._count = count  # of API processes
        self._ready: MutableSequence[int] = RawArray("b", count)
        self._work = Load.of(count, lambda size: RawArray("q", size), lambda size: RawArray("d", size))
        self._front: list[_Child] = []  # API processes
        self._engines: list[_Child] = []
        self._signal, self._tell = multiprocessing.Pipe(duplex=False)

    def on_signal(self, number: int, _: object) -> None:
        self._tell.send(number)

    def start(self, sockets: Sequence[socket.socket], serve: Serve) -> None:
        """Start everything, and wait for the engines. Raises _Ended."""
        served = each_served(self._settings) if self._settings.runs_vllm else []
        alive = [[multiprocessing.Pipe(duplex=False) for _ in self._environments] for _ in served]
        for client, listening in enumerate(sockets):
            links = {
                one.model_name: [
                    Link(self._base(model, k), client, self._count, reader)
                    for k, (reader, _) in enumerate(alive[model])
                ]
                for model, one in enumerate(served)
            }
            own = share(self._settings, self._count, client)
            given = (self._environments[0], serve, own, listening, links, Peers(self._ready, self._work, client))
            self._front.append(_Child.start(f"api-{client}", self._folder, _api, *given))
            listening.close()  # else connections would still queue at it after the process has closed it
        for model, one in enumerate(served):  # one after the other: vLLM measures what memory is left
            self._load(model, one, alive[model])

    def _base(self, model: int, engine: int) -> str:
        return f"ipc://{self._folder}/{model}-{engine}"

    def _load(self, model: int, settings: Settings, alive: Sequence[tuple[Connection, Connection]]) -> None:
        """Start a model's engines, and wait until they are loaded. Raises _Ended."""
        loading = []
        for k, (environment, (reader, writer)) in enumerate(zip(self._environments, alive, strict=True)):
            given = (writer, settings, environment, self._base(model, k), self._count)
            loading.append(_Child.start(f"engine-{settings.model_name}-{k}", self._folder, _engine, *given))
            reader.close()
            writer.close()  # so that its other end closes when the engine ends
        self._engines += loading
        while loading:
            for child in self.wait(loading):
                loading.remove(child)
                if (message := child.message()) is not None:
                    self._fail(child, message)

    def wait(self, loading: Sequence[_Child] = ()) -> list[_Child]:
        """Wait for reports; returns who sent one. Raises _Ended when a signal comes or a process ends."""
        children = {child.process.sentinel: child for child in (*self._engines, *self._front)}
        found = wait([self._signal, *(child.reports for child in loading), *children])
        if self._signal in found:
            self._signal.recv()
            log.info("stopping")
            raise _Ended(0)
        for sentinel in found:
            if isinstance(sentinel, int):
                self._fail(children[sentinel], children[sentinel].message())
        return [child for child in loading if child.reports in found]

    def _fail(self, child: _Child, why: str | None) -> NoReturn:
        child.process.join()
        code = child.process.exitcode or 0
        log.error("a process ended, so the server ends", ended=child.name, pid=child.process.pid, status=code, why=why)
        raise _Ended((128 - code if code < 0 else code or 1) if all(self._ready) else 1)

    def stop(self) -> None:
        """End all processes: first the API processes, which finish their requests if they served any."""
        serving = all(self._ready)
        for child in self._front:
            child.process.terminate() if serving else child.process.kill()
        self._finish()
        for child in self._engines:  # no request waits for them, and vLLM's own exit takes seconds
            child.process.kill()
            child.process.join()

    def _finish(self) -> None:
        """Wait for the API processes; another signal is passed on to them."""
        end = time.monotonic() + self._settings.stop_delay_seconds + DRAIN_SECONDS + LAST_SECONDS
        while left := [child.process for child in self._front if child.process.is_alive()]:
            if (rest := end - time.monotonic()) <= 0:
                log.warning("killed, as they do not end", pids=[process.pid for process in left])
                for process in left:
                    process.kill()
                    process.join()
            elif self._signal in wait([self._signal, *(process.sentinel for process in left)], rest):
                self._signal.recv()
                for process in left:
                    process.terminate()


def _api(_: Connection, place: Environment, serve: Serve, *given: Any) -> int:
    add_environment(place)  # it reads the capabilities of the first engine's GPU
    return serve(*given)


def _engine(report: Connection, _: Connection, settings: Settings, place: Environment, base: str, clients: int) -> int:
    return process.run(report, settings, place, base, clients)
