"""The spool in a folder; and which spool a setting means."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from endpoint.errors import ConfigError, MissingAudio, StoreUnavailable
from endpoint.jobs.keys import new_key
from endpoint.jobs.s3 import S3Spool
from endpoint.jobs.spool import PART_SECONDS, FolderSpool, Spool, spool_of
from endpoint.memfile import MemoryFile
from tests.test_jobs_keys import WRONG

AUDIO = bytes(range(256)) * 12_345  # more than one piece


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new" / "spool"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def spool(folder: Path) -> Spool:
    return FolderSpool(folder)


async def test_what_is_put_comes_back_until_it_is_deleted(spool: Spool) -> None:
    data = MemoryFile(AUDIO)
    first, second, empty = await spool.put(data), await spool.put(data), await spool.put(MemoryFile())
    data.close()
    assert len({first, second, empty}) == 3
    assert (await spool.open(first)).read() == AUDIO
    await spool.delete(first)
    await spool.delete(first)
    with pytest.raises(MissingAudio):
        await spool.open(first)
    assert (await spool.open(second)).read() == AUDIO
    assert (await spool.open(empty)).read() == b""


async def test_it_lasts(folder: Path) -> None:
    key = await FolderSpool(folder).put(MemoryFile(b"audio"))
    assert (await FolderSpool(folder).open(key)).read() == b"audio"


async def test_only_this_user_may_read_it(spool: Spool, folder: Path) -> None:
    key = await spool.put(MemoryFile(b"audio"))
    assert [mode(path) for path in (folder, folder / key)] == [0o700, 0o600]


async def test_keys_and_their_ages(spool: Spool, folder: Path) -> None:
    assert list(await spool.keys()) == []
    old, new = await spool.put(MemoryFile(b"1")), await spool.put(MemoryFile(b"2"))
    (folder / "notes.txt").write_text("not ours")
    now = (folder / new).stat().st_mtime
    os.utime(folder / old, (now - 1000, now - 1000))
    ages = dict(await spool.keys())
    assert ages.keys() == {old, new}
    assert ages[old] == pytest.approx(1000, abs=60)
    assert 0 <= ages[new] < 60


async def test_what_a_dead_process_left_is_removed_after_a_day(spool: Spool, folder: Path) -> None:
    await spool.put(MemoryFile(b"1"))
    old, new = folder / f"{new_key()}.part", folder / f"{new_key()}.part"
    for part in (old, new):
        part.write_bytes(b"half")
    before = new.stat().st_mtime - PART_SECONDS - 100
    os.utime(old, (before, before))
    assert len(await spool.keys()) == 1
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize("key", WRONG)
async def test_keys_lead_nowhere_else(spool: Spool, folder: Path, key: str) -> None:
    await spool.put(MemoryFile(b"1"))
    for use in (spool.open, spool.delete):
        with pytest.raises(MissingAudio):
            await use(key)


async def test_it_is_on_disk_before_it_has_its_name(
    spool: Spool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, rename = os.fsync, Path.rename

    def synced(number: int) -> None:
        sync(number)
        path = Path(os.readlink(f"/proc/self/fd/{number}"))
        steps.append(f"sync {path.suffix or path.name}")

    def renamed(self: Path, target: Path) -> Path:
        steps.append(f"rename of {self.stat().st_size}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    await spool.put(MemoryFile(AUDIO))
    assert steps == ["sync new", "sync .part", f"rename of {len(AUDIO)}", "sync spool"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
async def test_a_full_disk_is_unavailable_and_leaves_nothing(
    spool: Spool, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    key = await spool.put(MemoryFile(b"before"))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailable, match=os.strerror(number)):
        await spool.put(MemoryFile(b"audio"))
    assert os.listdir(folder) == [key]


def test_a_real_disk_that_is_full(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: the write itself fails."""
    program = f"""
import asyncio, resource, signal, sys
from pathlib import Path
from endpoint.jobs.spool import FolderSpool
from endpoint.errors import StoreUnavailable
from endpoint.memfile import MemoryFile
data = MemoryFile(bytes(3_000_000))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
try:
    asyncio.run(FolderSpool(Path({str(tmp_path)!r})).put(data))
except StoreUnavailable as error:
    print(error.message)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "the audio of jobs cannot be stored: File too large\n"
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spool = FolderSpool(tmp_path / "file" / "spool")
    for use in (spool.put(MemoryFile(b"1")), spool.open(new_key()), spool.keys()):
        with pytest.raises(StoreUnavailable):
            await use


def test_settings(tmp_path: Path) -> None:
    assert isinstance(spool_of(str(tmp_path)), FolderSpool)
    assert isinstance(spool_of("s3://bucket/a/b"), S3Spool)
    for wrong in ("", " ", "http://bucket/a", "s3://", "s3:///a"):
        with pytest.raises(ConfigError):
            spool_of(wrong)


def test_a_folder_loads_no_boto3() -> None:
    program = "import sys; from endpoint.jobs.spool import spool_of; spool_of('/tmp/x'); print('boto3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"
