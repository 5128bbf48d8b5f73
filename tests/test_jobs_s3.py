"""The spool in S3, against moto's server in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from endpoint.errors import ConfigError, MissingAudio, StoreUnavailable
from endpoint.jobs.keys import new_key
from endpoint.jobs.s3 import S3Spool
from endpoint.jobs.spool import Spool, spool_of
from endpoint.memfile import MemoryFile
from endpoint.net import free_port
from tests.s3_server import ACCOUNT, s3_server
from tests.test_jobs_keys import WRONG

AUDIO = bytes(range(256)) * 12_345


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ACCOUNT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def spool(service: str) -> Iterator[Spool]:
    with closing(S3Spool("bucket", service, "jobs/audio")) as made:
        yield made


class closing:  # noqa: N801
    """boto3's connections are closed, so that no warning of open sockets comes later."""

    def __init__(self, spool: Any) -> None:
        self.spool = spool

    def __enter__(self) -> Any:
        return self.spool

    def __exit__(self, *_: Any) -> None:
        self.spool._client.close()


async def test_what_is_put_comes_back_until_it_is_deleted(spool: Spool) -> None:
    data = MemoryFile(AUDIO)
    first, second, empty = await spool.put(data), await spool.put(data), await spool.put(MemoryFile())
    data.write(b"more")
    assert data.read() == AUDIO + b"more"  # its end is where it was
    assert (await spool.open(first)).read() == AUDIO
    await spool.delete(first)
    await spool.delete(first)
    with pytest.raises(MissingAudio):
        await spool.open(first)
    assert (await spool.open(second)).read() == AUDIO
    assert (await spool.open(empty)).read() == b""


async def test_keys_are_those_under_the_prefix(spool: Spool, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", service)
    with closing(spool_of("s3://bucket/other/")) as other, closing(spool_of("s3://bucket")) as top:
        assert list(await other.keys()) == []
        key, beside = await other.put(MemoryFile(b"1")), await top.put(MemoryFile(b"2"))
        ((found, age),) = await other.keys()
        assert found == key
        assert 0 <= age < 60
        assert [name for name, _ in await top.keys()] == [beside]
        with pytest.raises(MissingAudio):
            await spool.open(key)


async def test_there_may_be_more_keys_than_a_page(spool: Any) -> None:
    before = {key for key, _ in await spool.keys()}
    keys = {new_key() for _ in range(1001)}
    for key in keys:
        spool._client.put_object(Bucket="bucket", Key=spool._prefix + key, Body=b"")
    assert {key for key, _ in await spool.keys()} - before == keys


@pytest.mark.parametrize("key", WRONG)
async def test_keys_lead_nowhere_else(spool: Spool, key: str) -> None:
    for use in (spool.open, spool.delete):
        with pytest.raises(MissingAudio):
            await use(key)


async def test_a_missing_bucket_is_unavailable(service: str) -> None:
    with closing(S3Spool("nothing", service)) as spool:
        for use in (spool.put(MemoryFile(b"1")), spool.open(new_key()), spool.delete(new_key()), spool.keys()):
            with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
                await use


async def test_a_service_that_is_gone_is_unavailable() -> None:
    away = closing(S3Spool("bucket", f"http://127.0.0.1:{free_port()}"))
    with away as spool, pytest.raises(StoreUnavailable, match="EndpointConnectionError"):
        await spool.put(MemoryFile(b"1"))


def test_settings_that_cannot_work() -> None:
    with pytest.raises(ConfigError, match="no bucket"):
        S3Spool("")
    with pytest.raises(ConfigError, match="cannot be used"):
        S3Spool("bucket", "not an address")
