"""Beams of one window are admitted together; under a scheduler that is pretended, as vLLM's needs a whole engine."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("vllm", reason="the base build has no vLLM")
from vllm.v1.core.single_type_kv_cache_manager import CrossAttentionManager

from endpoint.engine.inside.groups import Groups

BLOCK, FRAMES, CROSS = 16, 1_500, 94  # tokens of a block; frames of a window, and blocks of its cross-attention


class Pool:
    num_gpu_blocks = 1_001

    def touch(self, blocks: list[SimpleNamespace]) -> None:
        for block in blocks:
            block.ref_cnt += 1


def cross_manager(pool: Pool) -> CrossAttentionManager:
    manager: Any = CrossAttentionManager.__new__(CrossAttentionManager)
    manager.block_size, manager.block_pool, manager.req_to_blocks = BLOCK, pool, defaultdict(list)

    def allocate(name: str, frames: int, _: int) -> list[SimpleNamespace]:
        manager.req_to_blocks[name] += [
            SimpleNamespace(ref_cnt=1, block_id=number) for number in range(-(-frames // BLOCK))
        ]
        return list(manager.req_to_blocks[name])

    manager.allocate_new_blocks = allocate
    return manager


class Pretended:
    """Admits all that is there, in order. `steps`: the names admitted at each step."""

    max_num_running_reqs, max_num_scheduled_tokens = 12, 24_000

    def __init__(self) -> None:
        self.requests: dict[str, Any] = {}
        self.waiting: list[Any] = []
        self.running: list[Any] = []
        self.pool = Pool()
        self.cross = cross_manager(self.pool)
        own = SimpleNamespace(block_size=BLOCK)
        coordinator = SimpleNamespace(single_type_managers=(own, self.cross))
        self.kv_cache_manager = SimpleNamespace(coordinator=coordinator, block_pool=self.pool)

    def add_request(self, request: Any) -> None:
        self.requests[request.request_id] = request
        self.waiting.append(request)

    def schedule(self) -> list[str]:
        admitted, self.waiting = self.waiting, []
        self.running += admitted
        return [request.request_id for request in admitted]

    def finish_requests(self, names: Any, _: object) -> None:
        for name in [names] if isinstance(names, str) else names or list(self.requests):
            request = self.requests.pop(name, None)  # vLLM ignores names it does not know
            for some in (self.waiting, self.running):
                if request in some:
                    some.remove(request)

    def has_unfinished_requests(self) -> bool:
        return bool(self.requests)

    def get_request_counts(self) -> tuple[int, int]:
        return len(self.running), len(self.waiting)

    def _try_schedule_encoder_inputs(self, request: Any, computed: int, new: int, budget: int) -> tuple[Any, ...]:
        return ([0] if new else [], new, budget - 1500 * bool(new), [])


class Tried(Groups, Pretended):
    pass


def request(name: str, group: str = "", index: int = 0, size: int = 1, tokens: int = 5) -> SimpleNamespace:
    beam = {"beam": {"group": group, "index": index, "size": size, "most": size}} if group else {}
    params = SimpleNamespace(extra_args={"whisper": beam})
    features = [SimpleNamespace(mm_position=SimpleNamespace(length=FRAMES))]
    return SimpleNamespace(
        request_id=name,
        sampling_params=params,
        num_tokens=tokens,
        num_prompt_tokens=tokens,
        max_tokens=200,
        mm_features=features,
    )


def group_of(size: int, name: str = "g") -> list[SimpleNamespace]:
    return [request(f"{name}{index}", name, index, size) for index in range(size)]


def test_a_group_is_admitted_when_all_of_it_is_there() -> None:
    tried = Tried()
    for one in reversed(group_of(3)[1:]):
        tried.add_request(one)
    assert tried.schedule() == []
    assert tried.has_unfinished_requests()
    assert tried.get_request_counts() == (0, 2)
    tried.add_request(group_of(3)[0])
    assert tried.schedule() == ["g0", "g1", "g2"]


def test_a_group_waits_for_rows_and_others_wait_behind_it() -> None:
    tried = Tried()
    for number in range(8):
        tried.add_request(request(f"a{number}"))
    assert len(tried.schedule()) == 8
    for one in [*group_of(5), request("late")]:
        tried.add_request(one)
    assert tried.schedule() == []
    tried.finish_requests("a0", "stopped")
    assert tried.schedule() == [f"g{index}" for index in range(5)]
    tried.finish_requests("a1", "stopped")
    assert tried.schedule() == ["late"]


def test_no_more_is_handed_over_than_a_step_can_take() -> None:
    tried = Tried()
    tried.max_num_scheduled_tokens = 20
    for one in [*group_of(2, "a"), *group_of(2, "b"), *group_of(2, "c")]:
        tried.add_request(one)
    assert tried.schedule() == ["a0", "a1", "b0", "b1"]


def test_nothing_is_admitted_that_might_run_out_of_blocks() -> None:
    tried = Tried()
    tried.pool.num_gpu_blocks = tried._blocks = 300
    for number in range(3):  # 13 blocks each for a text of 205 tokens, and 94
        tried.add_request(request(f"a{number}"))
    assert tried.schedule() == ["a0", "a1"]
    tried.finish_requests("a0", "stopped")
    assert tried.schedule() == ["a2"]


def test_requests_have_blocks_for_their_sound_and_followers_those_of_their_leader() -> None:
    """vLLM asks for those of no frames: there is nothing to encode in its steps."""
    tried = Tried()
    for one in [*group_of(3), request("short")]:
        tried.add_request(one)
    tried.schedule()
    tried.requests["short"].mm_features[0].mm_position.length = 250
    cross, names = tried.cross, ("g0", "g1", "g2", "short")
    assert [cross.get_num_blocks_to_allocate(name, 0) for name in names] == [CROSS, 0, 0, 16]
    leader, second, third, short = (cross.allocate_new_blocks(name, 0, 0) for name in names)
    assert (len(leader), len(short)) == (CROSS, 16)
    assert leader == second == third
    assert {block.ref_cnt for block in leader} == {3}
    assert tried._cross_block_ids("g2") == (list(range(CROSS)), BLOCK)
    for name in names:  # at the next step
        assert cross.get_num_blocks_to_allocate(name, 0) == 0
        assert cross.allocate_new_blocks(name, 0, 0) == []


def test_no_step_encodes_anything() -> None:
    tried = Tried()
    for one in group_of(2):
        assert tried._try_schedule_encoder_inputs(one, 0, 4, 24_000) == ([], 4, 24_000, [])


def test_a_follower_does_not_begin_without_its_leader() -> None:
    tried = Tried()
    for one in group_of(2):
        tried.add_request(one)
    tried.schedule()
    tried.cross.req_to_blocks["g1"] = []
    with pytest.raises(RuntimeError, match="g1 was begun without g0"):
        tried.cross.allocate_new_blocks("g1", 1500, 1500)


@pytest.mark.parametrize("complete", [True, False])
def test_a_group_may_be_given_up_while_it_waits(complete: bool) -> None:
    tried = Tried()
    held = group_of(3)[: 3 if complete else 2]
    for one in held:
        tried.add_request(one)
    tried.finish_requests([one.request_id for one in held], "aborted")
    assert tried.requests == {}
    assert not tried.has_unfinished_requests()
    assert tried.schedule() == []
    assert tried._leaders == {}


@pytest.mark.parametrize("aborted", ["g0", "g2"])
@pytest.mark.parametrize("begun", [False, True])
def test_the_beams_of_a_window_end_together(aborted: str, begun: bool) -> None:
    """Each beam is aborted by a message of its own, and steps can come between them."""
    tried = Tried()
    others = [request(f"a{number}") for number in range(0 if begun else 12)]  # no rows are left for the group
    for one in [*others, *group_of(3)]:
        tried.add_request(one)
    tried.schedule()
    tried.finish_requests([aborted], "aborted")
    if others:
        tried.finish_requests([one.request_id for one in others], "stopped")
    assert tried.schedule() == []
    assert tried.requests == {}
    assert tried._leaders == {}
    tried.finish_requests([one.request_id for one in group_of(3)], "aborted")  # the messages that come late
