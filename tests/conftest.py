"""What several test modules share: one live server on the real engine, started once."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tests.redis_server import patient_redis, redis_program, redis_url  # noqa: F401 - fixtures
from tests.servers import running_server

settings.register_profile("any machine", deadline=None)  # no test needs the machine to be quick
settings.load_profile("any machine")


# Files that take a minute and more, the longest first: begun last, one of them would keep one process busy alone.
LONG = ("test_harden_uploads", "test_chaos", "test_batch_run", "test_runbook", "test_harden", "test_serving")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.stem, len(LONG)))


@pytest.fixture(autouse=True)
def logging_stays_as_it_was() -> Iterator[None]:
    """Commands configure it for their process, which here goes on with other tests."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**configured)
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Servers keep their jobs in a folder of this run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of `endpoint serve` on the bundled model; stopped at the end of the run."""
    with running_server(tmp_path_factory.mktemp("server") / "output.txt", MODEL_ID="") as base:
        yield base
