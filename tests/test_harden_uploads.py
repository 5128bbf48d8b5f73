"""`make harden` of uploads, in short forms: mutated and hostile files, clients that leave, a read-only root, a soak."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harden import hostile, http_limits, leavers, mutated, no_files, soak
from benchmarks.harden.report import Found
from tests.debian import find_program


def short_of(found: Found) -> list[str]:
    """How long things take is for `make harden` to judge, on a machine that does nothing else."""
    assert found.lines
    return [str(line) for line in found.lines if not line.met and not line.timed]


def test_there_are_twelve_containers() -> None:
    assert len(mutated.corpus()) == 12


async def test_mutated_files_cost_their_own_request_only(tmp_path: Path) -> None:
    assert short_of(await mutated.check(tmp_path, small=True)) == []


@pytest.mark.skipif(not no_files.possible(), reason="a mount namespace needs root")
async def test_uploads_write_no_files(tmp_path: Path) -> None:
    assert short_of(await no_files.check(tmp_path, small=True)) == []


async def test_hostile_files_cost_their_own_request_only(tmp_path: Path) -> None:
    find_program(["strace"], "strace")  # sockets are traced
    assert short_of(await hostile.check(tmp_path, small=True)) == []


async def test_clients_that_leave_leave_nothing_behind(tmp_path: Path) -> None:
    assert short_of(await leavers.check(tmp_path, small=True)) == []


async def test_nothing_fails_and_nothing_is_left_under_steady_load(tmp_path: Path) -> None:
    found = await soak.check(tmp_path, small=True)
    assert found.lines[0].met, str(found.lines[0])


async def test_abuse_costs_its_own_request_only(tmp_path: Path) -> None:
    assert short_of(await http_limits.check(tmp_path, small=True)) == []
