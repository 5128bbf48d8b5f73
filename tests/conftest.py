"""What several test modules share: one live server on the real engine, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import running_server


@pytest.fixture(scope="session")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of `endpoint serve` on the bundled model; stopped at the end of the run."""
    with running_server(tmp_path_factory.mktemp("server") / "output.txt", MODEL_ID="") as base:
        yield base
