"""`make conformance`: the official clients, curl and a fuzzer against live servers. Plain pytest does not collect it.

Every check runs once for each client, and contract.py checks every field of every response.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from endpoint.config import load_settings
from endpoint.weights.packages import fetch_base
from endpoint.weights.speakers import fetch_speakers
from tests.conformance.clients import COMMANDS, Client, ResponseModel
from tests.conformance.report import FOLDER, Case, table, write
from tests.servers import running_server, started

KEY = "sk-conformance-1234"
VERSIONS = pytest.StashKey[dict[str, str]]()
CASES = pytest.StashKey[list[Case]]()


@pytest.fixture(scope="session")
def clients(request: pytest.FixtureRequest) -> Iterator[dict[str, Client]]:
    with ExitStack() as stack:
        made = {name: stack.enter_context(Client(name, _log_of(name))) for name in COMMANDS}
        request.config.stash[VERSIONS].update((client.name, client.version) for client in made.values())
        yield made


@pytest.fixture(params=COMMANDS)
def client(request: pytest.FixtureRequest, clients: dict[str, Client]) -> Client:
    return clients[request.param]


@pytest.fixture(scope="session")
def loading() -> dict[str, ResponseModel]:
    """The response to each client while the model was still loading; filled by `real`."""
    return {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--server", help="base URL of a server that runs the bundled model, instead of one of our own")


@pytest.fixture(scope="session")
def real(
    request: pytest.FixtureRequest, clients: dict[str, Client], loading: dict[str, ResponseModel]
) -> Iterator[str]:
    """The base URL of a server on the real engine with the bundled model."""
    if given := request.config.getoption("--server"):
        yield given
        return
    with started(FOLDER / "real.log", model_id="") as server:
        server.wait("/version")
        loading.update((client.name, client(server.base)) for client in clients.values())
        server.wait()
        yield server.base


@pytest.fixture(scope="session")
def fake() -> Iterator[str]:
    """A server with the fake engine, for checks that do not depend on a model."""
    with running_server(FOLDER / "fake.log", engine="fake", max_upload_mb=1, max_audio_seconds=20) as base:
        yield base


@pytest.fixture(scope="session")
def keyed() -> Iterator[str]:
    """A server that requires KEY."""
    with running_server(FOLDER / "keyed.log", engine="fake", api_key=KEY) as base:
        yield base


@pytest.fixture(scope="session")
def human() -> Iterator[str]:
    """A server with whisper-base and the models that find speakers, for human speech."""
    model = fetch_base(load_settings().model_folder)
    fetch_speakers(load_settings().model_folder)
    with running_server(FOLDER / "human.log", model_id=model, jobs_url="off") as base:
        yield base


def _log_of(client: str) -> Path:
    return FOLDER / f"{client.replace(' ', '-')}.log"


def pytest_configure(config: pytest.Config) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    config.stash[CASES] = []
    config.stash[VERSIONS] = {"curl": _curl_version()}


def _curl_version() -> str:
    return subprocess.run(["curl", "--version"], check=True, capture_output=True, text=True).stdout.split()[1]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: Any = yield
    if report.when == "call" or (report.when == "setup" and not report.passed):
        assert isinstance(item, pytest.Function)
        doc = (item.obj.__doc__ or item.originalname.removeprefix("test_").replace("_", " ")).strip().splitlines()[0]
        values = {} if not hasattr(item, "callspec") else item.callspec.params
        module = Path(item.fspath).stem.removeprefix("test_")
        client = str(values.get("client", module))
        case = item.callspec.id if values else ""
        measured = dict(item.user_properties)
        made = Case(module, doc.rstrip("."), case, client, report.passed, round(report.duration, 3), **measured)
        item.config.stash[CASES].append(made)
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    cases = config.stash[CASES]
    if not cases:
        return
    for line in table(cases, list(dict.fromkeys(case.client for case in cases))):
        terminalreporter.write_line(line)
    path = write(cases, config.stash[VERSIONS])
    versions = ", ".join(f"{name} {version}" for name, version in config.stash[VERSIONS].items())
    terminalreporter.write_line(
        f"\nA number is how many cases passed; of openapi, how many requests. Clients: {versions}. Written: {path}"
    )
