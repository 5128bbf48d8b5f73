"""Stores of jobs do in any order of steps what a few dictionaries do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from endpoint.call import Priority
from endpoint.errors import IdempotencyMismatch
from endpoint.jobs.job import Claim, Delivery, Failure, JobFile, Status
from endpoint.jobs.store import LostClaim
from tests.jobs_model import Model
from tests.jobs_support import Clock, StoreFactory, make_job, succeeded

pytest_plugins = ["tests.jobs_contract"]

T = TypeVar("T")
INDEX = st.integers(0, 30)
SETTINGS = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class StoreMachine(RuleBasedStateMachine):
    def __init__(self, factory: StoreFactory) -> None:
        super().__init__()
        self.clock = Clock()
        self.loop = asyncio.Runner()
        self.store = factory(clock=self.clock)
        self.model = Model(self.clock)
        self.claims: list[Claim] = []
        self.submitted = 0
        self.run(self.store.open())

    def teardown(self) -> None:
        self.run(self.store.close())
        self.loop.close()

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(step)

    def any_id(self, index: int) -> str:
        return f"job_{index % (self.submitted + 1) + 1:06d}"  # one may not be there yet

    def any_claim(self, index: int) -> Claim:
        """Rather a late one."""
        return self.claims[-1 - index % len(self.claims)]

    def held(self, claim: Claim) -> bool:
        try:
            self.model.held(claim)
        except LostClaim:
            return False
        return True

    def under_claim(self, claim: Claim, step: Coroutine[Any, Any, T]) -> T | None:
        """The model is to be changed where this did not raise in the store, and would not in it."""
        try:
            done = self.run(step)
        except LostClaim:
            assert not self.held(claim)
            return None
        assert self.held(claim)
        return done

    # ---- callers

    @rule(
        caller=st.sampled_from("abc"),
        key=st.sampled_from([None, None, "k", "l"]),
        fingerprint=st.sampled_from(["f", "f", "g"]),
        priority=st.sampled_from(Priority),
        guess_ms=st.sampled_from([0, 1000, 60_000, 3_600_000]),
        hook=st.booleans(),
    )
    def submit(
        self, caller: str, key: str | None, fingerprint: str, priority: Priority, guess_ms: int, hook: bool
    ) -> None:
        hooks = "https://example.test/hook" if hook else None
        more = {"caller": caller, "fingerprint": fingerprint, "priority": priority, "callback_url": hooks}
        self.submit_one(key, guess_ms=guess_ms, **more)

    def submit_one(self, key: str | None, guess_ms: int, **fields: Any) -> None:
        self.submitted += 1
        files = (JobFile("f.wav", f"source-{self.submitted}", guess_ms=guess_ms),)
        job = make_job(self.submitted, files=files, **fields)
        try:
            expected = self.model.submit(job, key)
        except IdempotencyMismatch:
            expected = None
        try:
            assert self.run(self.store.submit(job, key)) == expected
        except IdempotencyMismatch:
            assert expected is None

    @precondition(lambda self: self.submitted < 60)
    @rule(
        callers=st.text("abc", min_size=2, max_size=5),
        priority=st.sampled_from(Priority),
        guess_ms=st.sampled_from([0, 1000, 60_000]),
    )
    def submit_several(self, callers: str, priority: Priority, guess_ms: int) -> None:
        for caller in callers:
            self.submit_one(None, caller=caller, priority=priority, guess_ms=guess_ms)

    @rule(index=INDEX)
    def cancel(self, index: int) -> None:
        assert self.run(self.store.cancel(self.any_id(index))) == self.model.cancel(self.any_id(index))

    @rule(index=INDEX)
    def delete(self, index: int) -> None:
        assert self.run(self.store.delete(self.any_id(index))) == self.model.delete(self.any_id(index))

    # ---- workers

    def claim_one(self) -> None:
        first = [name for name in self.model.jobs if (p := self.run(self.store.position(name))) and p.position == 0]
        claim = self.run(self.store.claim("worker", 30.5))
        assert [claim.job.id] == first if claim else not first
        if claim:
            same = [job for job in self.model.jobs.values() if job.caller == claim.job.caller]
            queued = [job for job in same if job.status is Status.QUEUED]
            assert claim.job.id == min(queued, key=lambda job: (job.priority, job.id)).id
            assert claim.token > max((old.token for old in self.claims if old.job.id == claim.job.id), default=0)
            assert claim.until == self.clock() + 30.5
            self.model.claimed(claim)
            self.claims.append(claim)

    @rule()
    def claim(self) -> None:
        self.claim_one()

    @rule(most=st.integers(2, 6))
    def claim_several(self, most: int) -> None:
        """In the order of the positions before."""
        found = {name: self.run(self.store.position(name)) for name in self.model.jobs}
        in_order = sorted((position.position, name) for name, position in found.items() if position)
        before = len(self.claims)
        for _ in range(most):
            self.claim_one()
        assert [claim.job.id for claim in self.claims[before:]] == [name for _, name in in_order[:most]]

    @rule(times=st.integers(1, 3))
    def lose_workers(self, times: int) -> None:
        for _ in range(times):
            self.claim_one()
            self.clock.now += 31.0
            self.sweep_all()

    @precondition(lambda self: self.claims)
    @rule(index=INDEX, seconds=st.sampled_from([10.5, 1000.5]))
    def renew(self, index: int, seconds: float) -> None:
        claim = self.any_claim(index)
        renewed = self.under_claim(claim, self.store.renew(claim, seconds))
        if renewed is not None:
            assert renewed == self.model.renew(claim, seconds)

    @precondition(lambda self: self.claims)
    @rule(
        index=INDEX,
        duration_ms=st.sampled_from([500, 90_000]),
        kinds=st.sampled_from([[], ["x"], ["x", "y"]]),
        times=st.integers(1, 2),
    )
    def update(self, index: int, duration_ms: int, kinds: list[str], times: int) -> None:
        """A write that is repeated, as it is not known whether it was done, keeps its events once."""
        claim = self.any_claim(index)
        files = (replace(claim.job.files[0], duration_ms=duration_ms, done_ms=500, status=Status.RUNNING),)
        job = replace(claim.job, files=files, started_at=self.clock())
        after = len(self.model.events.get(job.id, [])) if times > 1 else None
        for _ in range(times):
            self.under_claim(claim, self.store.update(claim, job, [(kind, b"{}") for kind in kinds], after))
        if self.held(claim):
            self.model.update(claim, job, kinds)

    @precondition(lambda self: self.claims)
    @rule(index=INDEX, window=st.integers(0, 2), data=st.binary(max_size=3))
    def save_window(self, index: int, window: int, data: bytes) -> None:
        claim = self.any_claim(index)
        self.under_claim(claim, self.store.save_window(claim, 0, window, data))
        if self.held(claim):
            self.model.save_window(claim, window, data)

    @precondition(lambda self: self.claims)
    @rule(index=INDEX, well=st.booleans(), result=st.binary(max_size=3))
    def finish(self, index: int, well: bool, result: bytes) -> None:
        claim = self.any_claim(index)
        job = self.model.jobs.get(claim.job.id, claim.job)
        failed = replace(job, status=Status.FAILED, error=Failure("no", "no"), finished_at=None)
        job = succeeded(job) if well else failed
        self.under_claim(claim, self.store.finish(claim, job, {0: result}))
        if self.held(claim):
            self.model.finish(claim, job, result)

    @precondition(lambda self: self.claims)
    @rule(index=INDEX)
    def release(self, index: int) -> None:
        claim = self.any_claim(index)
        self.under_claim(claim, self.store.release(claim))
        if self.held(claim):
            self.model.release(claim)

    @rule(index=INDEX)
    def requeue(self, index: int) -> None:
        assert self.run(self.store.requeue(self.any_id(index))) == self.model.requeue(self.any_id(index))

    # ---- time, webhooks

    @rule(seconds=st.sampled_from([1.25, 31.0, 31.0, 5000.25, 90_000.25, 700_000.25]))
    def advance(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(forget=st.booleans())
    def sweep(self, forget: bool) -> None:
        sources = self.sweep_all()
        if forget:
            self.run(self.store.forget_sources(sources))
            self.model.sources.clear()

    def sweep_all(self) -> Sequence[str]:
        swept = self.run(self.store.sweep())
        assert replace(swept, sources=tuple(sorted(swept.sources))) == self.model.sweep()
        assert self.run(self.store.sizes())["keys"] == len(self.model.keys)
        return swept.sources

    @rule(arrives=st.booleans(), again=st.booleans())
    def deliver(self, arrives: bool, again: bool) -> None:
        """All that is due: with leases that end before the next step."""
        taken = self.run(self.store.take_deliveries("sender", limit=100, seconds=1.0))
        assert self.run(self.store.take_deliveries("other", limit=100)) == []
        self.clock.now += 1.5
        for delivery in taken:
            self.settle(delivery, arrives, self.clock() if again else None)

    def settle(self, delivery: Delivery, arrives: bool, due: float | None) -> None:
        kind = json.loads(delivery.body)["type"]
        assert kind in self.model.outbox[delivery.job]
        if arrives:
            self.run(self.store.delivered(delivery))
            self.model.outbox[delivery.job].remove(kind)
        else:
            self.run(self.store.not_delivered(delivery, "HTTP 500", due))
            assert self.run(self.store.replay_delivery(delivery.id)) is (due is None)

    # ---- after each step

    @invariant()
    def jobs_are_as_in_the_model(self) -> None:
        jobs = sorted(self.model.jobs.values(), key=lambda job: job.id)
        assert list(self.run(self.store.list(None, limit=1000, order="asc"))) == jobs
        for caller in "ab":
            theirs = [job for job in reversed(jobs) if job.caller == caller]
            assert list(self.run(self.store.list(caller, limit=1000))) == theirs
        for number in range(max(1, self.submitted - 3), self.submitted + 2):
            name = f"job_{number:06d}"
            assert self.run(self.store.get(name)) == self.model.jobs.get(name)
            assert self.run(self.store.result(name, 0)) == self.model.results.get(name)
            assert self.run(self.store.windows(name, 0)) == self.model.windows.get(name, {})
            events = [(event.number, event.type) for event in self.run(self.store.events(name))]
            assert events == list(enumerate(self.model.events.get(name, []), 1))

    @invariant()
    def positions_count_the_queue(self) -> None:
        found = {name: self.run(self.store.position(name)) for name in self.model.jobs}
        queued = {name for name, job in self.model.jobs.items() if job.status is Status.QUEUED}
        assert {name for name, position in found.items() if position} == queued
        ahead_ms = 0
        in_order = sorted((position.position, name) for name, position in found.items() if position)
        for number, (position, name) in enumerate(in_order):
            assert position == number
            assert found[name].ahead_ms == ahead_ms  # type: ignore[union-attr]
            ahead_ms += self.model.jobs[name].audio_ms

    @invariant()
    def sizes_are_as_in_the_model(self) -> None:
        sizes = dict(self.run(self.store.sizes()))
        assert sizes.pop("keys") >= sum(until > self.clock() for _, until in self.model.keys.values())
        assert sizes == self.model.sizes()
        usage = {row[0]: row[2] for row in self.run(self.store.usage_rows())}
        assert usage == self.model.usage


def test_a_store_does_what_the_model_does(store_factory: StoreFactory) -> None:
    run_state_machine_as_test(partial(StoreMachine, store_factory), settings=SETTINGS)
