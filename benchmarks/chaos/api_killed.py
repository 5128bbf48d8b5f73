"""The server is killed while jobs are submitted."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx2

from benchmarks.chaos.processes import Process
from benchmarks.chaos.recordings import Recording
from benchmarks.chaos.world import Row, Sent, World

CLIENTS = 4
PARALLEL = 50


async def api_killed(world: World) -> list[Row]:
    """What was accepted is kept; a submission that broke off is sent again under its key, and gives one job."""
    kills = 3 if world.small else 50
    server, base = world.server(JOB_WORKERS="0")
    sounds = [world.make() for _ in range(8)]
    sent = dict[str, tuple[Recording, str | None]]()  # by key: what, and the job if it was accepted
    broken, changed = 0, 0
    async with httpx2.AsyncClient(base_url=base, timeout=10) as client:
        for _ in range(kills):
            server.start()
            await server.wait_ready(base)
            changed += await _again(world, client, sent)
            broken += await _until_killed(world, client, server, sent, sounds)
        server.start()
        await server.wait_ready(base)
        changed += await _again(world, client, sent)
        missing, silent = await _missing(world, sent)
        rows = [
            Row("kills while jobs were submitted", f"{kills}", f"{kills}; {broken} submissions broke off", broken > 0),
            Row("accepted jobs that are not in the store", "0", f"{missing} of {len(sent)}", missing == 0),
            Row("accepted jobs without their recording", "0", f"{silent}", silent == 0),
            Row("repeated keys that gave another job", "0", f"{changed}", changed == 0),
            await _once(world, sent),
        ]
        return [*rows, *await _keys(world, client)]


async def _until_killed(
    world: World,
    client: httpx2.AsyncClient,
    server: Process,
    sent: dict[str, tuple[Recording, str | None]],
    sounds: list[Recording],
) -> int:
    """How many submissions broke off."""
    stopping = False

    async def one() -> int:
        while not stopping:
            key, sound = f"key {len(sent)}", world.choose.choice(sounds)
            sent[key] = (sound, None)
            made = await world.sent(client, sound, key)
            if made.status == 202:
                sent[key] = (sound, made.id)
            elif made.status is None:
                return 1
        return 0

    clients = [asyncio.create_task(one()) for _ in range(CLIENTS)]
    await asyncio.sleep(world.choose.uniform(0.05, 0.5))
    server.kill()
    stopping = True
    return sum(await asyncio.gather(*clients))


async def _again(world: World, client: httpx2.AsyncClient, sent: dict[str, tuple[Recording, str | None]]) -> int:
    """Send again what broke off, and some of what was accepted; how many keys gave another job than before."""
    changed = 0
    accepted = [key for key, (_, job) in sent.items() if job is not None]
    some = world.choose.sample(accepted, min(5, len(accepted)))
    for key in [*(key for key, (_, job) in sent.items() if job is None), *some]:
        sound, before = sent[key]
        made = await world.sent(client, sound, key)
        changed += made.status != 202 or before not in (None, made.id)
        sent[key] = (sound, made.id if made.status == 202 else before)
    return changed


async def _missing(world: World, sent: dict[str, tuple[Recording, str | None]]) -> tuple[int, int]:
    """(jobs that are not there, jobs whose recording is not)"""
    kept = {key for key, _ in await world.spool.keys()}
    missing = silent = 0
    for _, job_id in sent.values():
        job = await world.store.get(job_id) if job_id else None
        missing += job is None
        silent += job is not None and not {file.source for file in job.files} <= kept
    return missing, silent


async def _once(world: World, sent: dict[str, tuple[Recording, str | None]]) -> Row:
    jobs = Counter(job for _, job in sent.values())
    count = (await world.store.sizes())["jobs"]
    met = count == len(sent) == len(jobs)
    return Row("jobs in the store, one for each key", f"{len(sent)}", f"{count} for {len(jobs)} ids", met)


async def _keys(world: World, client: httpx2.AsyncClient) -> list[Row]:
    sound, other = world.make(), world.make()
    await world.sent(client, sound, "the same key")
    mismatch: Sent = await world.sent(client, other, "the same key")
    before = (await world.store.sizes())["jobs"]
    parallel = await asyncio.gather(*(world.sent(client, sound, "a new key") for _ in range(PARALLEL)))
    statuses = Counter(one.status for one in parallel)
    ids = {one.id for one in parallel if one.status == 202}
    added = (await world.store.sizes())["jobs"] - before
    shown = f"{statuses[202]} accepted, {len(ids)} id, {added} job"
    return [
        Row(
            "another recording under a key",
            "422 idempotency_mismatch",
            f"{mismatch.status} {mismatch.code}",
            (mismatch.status, mismatch.code) == (422, "idempotency_mismatch"),
        ),
        Row(
            f"{PARALLEL} equal requests side by side",
            f"{PARALLEL} accepted, 1 id, 1 job",
            shown,
            (statuses[202], len(ids), added) == (PARALLEL, 1, 1),
        ),
    ]
