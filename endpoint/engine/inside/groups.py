"""Beams of one window stay together: admitted in one step, and never preempted. One encoding, one cross-attention.

A scheduler's mixin. Requests wait here, in order, until they are sure to fit: there are rows, blocks for the longest
text, and room in the budget of one step. So vLLM never takes a block back from a running request, and splits no group.

vLLM has nothing to encode (endpoint/engine/inside/encode_first.py does), but counts the blocks of the cross-attention.
The first beam of a window is its leader: its sound is encoded and written to such blocks, and the other beams get the
same ones. vLLM counts the users of a block, so it is kept until the last beam ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from endpoint.engine.beam import Beam
from endpoint.engine.inside.cross_cache import write_nothing
from endpoint.engine.inside.sound import frames_of

if TYPE_CHECKING:
    from vllm.v1.core.sched.output import SchedulerOutput
    from vllm.v1.request import Request, RequestStatus

RULES, BEAM = "whisper", "beam"  # in SamplingParams.extra_args: fields of RowRules, and among them those of a Beam


def beam_of(request: Request) -> Beam | None:
    found = _fields_of(request)
    return Beam(**found) if found else None


def follows(request: Request) -> bool:
    """Whether it is a beam behind the first of its window: it has no sound of its own. Asked of many at every step."""
    found = _fields_of(request)
    return bool(found) and found["index"] > 0


def _fields_of(request: Request) -> dict[str, Any]:
    """Those of its Beam; empty for one that is none."""
    params = request.sampling_params
    rules = (params.extra_args or {}).get(RULES) if params else None
    found: dict[str, Any] = (rules or {}).get(BEAM) or {}
    return found


_schedulers = list["Groups"]()  # of this process


def held() -> dict[str, int]:
    """What this process's scheduler holds of requests: all 0 when there are none."""
    return _schedulers[0].held() if _schedulers else {}


class Groups:
    """Goes before one of vLLM's schedulers in the bases of a class."""

    requests: dict[str, Request]
    waiting: Any
    kv_cache_manager: Any
    max_num_running_reqs: int
    max_num_scheduled_tokens: int

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._parts: dict[str, dict[int, Request]] = {}  # groups that are not complete, by beam
        self._line: deque[list[Request]] = deque()
        self._leaders: dict[str, str] = {}  # names of requests that follow, to those of their leaders
        managers = self.kv_cache_manager.coordinator.single_type_managers
        self._cross = [manager for manager in managers if _is_cross(manager)]
        self._own = [manager for manager in managers if not _is_cross(manager)]
        for manager in self._cross:
            self._share(manager)
        self._blocks = self.kv_cache_manager.block_pool.num_gpu_blocks - 1  # one is reserved by vLLM
        write_nothing()
        _schedulers[:] = [self]

    # ---- requests come and go ----------------------------------------------------------------------

    def add_request(self, request: Request) -> None:
        beam = beam_of(request)
        if beam is None:
            self._line.append([request])
            return
        parts = self._parts.setdefault(beam.group, {})
        parts[beam.index] = request
        if len(parts) == beam.size:
            del self._parts[beam.group]
            ordered = [parts[index] for index in range(beam.size)]
            self._leaders.update((other.request_id, ordered[0].request_id) for other in ordered[1:])
            self._line.append(ordered)

    def finish_requests(self, request_ids: Any, finished_status: RequestStatus) -> Any:
        """Requests that wait here are added to vLLM's first, so that it ends them like any other.

        The beams of a window end together, though each is aborted by a message of its own and steps can come between
        them: followers that began without their leader would be decoded from what is left in others' blocks.
        """
        given = {request_ids} if isinstance(request_ids, str) else request_ids
        if given is not None:
            leaders = {self._leaders.get(name, name) for name in given}
            given = leaders.union(given, (name for name, leader in self._leaders.items() if leader in leaders))
        for request in [one for one in self._in_line() if given is None or one.request_id in given]:
            self._drop(request)
            super().add_request(request)  # type: ignore[misc]
        return super().finish_requests(given, finished_status)  # type: ignore[misc]

    def _drop(self, request: Request) -> None:
        for held in self._line:
            if request in held:
                held.remove(request)
        for parts in self._parts.values():
            for index in [index for index, one in parts.items() if one is request]:
                del parts[index]
        self._line = deque(held for held in self._line if held)
        self._parts = {group: parts for group, parts in self._parts.items() if parts}

    def _in_line(self) -> Iterator[Request]:
        for held in self._line:
            yield from held
        for parts in self._parts.values():
            yield from parts.values()

    def held(self) -> dict[str, int]:
        pool = self.kv_cache_manager.block_pool
        return {
            "requests": len(self.requests),
            "held": sum(1 for _ in self._in_line()),
            "followers": len(self._leaders),
            "blocks": self._blocks - pool.get_num_free_blocks(),
        }

    def has_unfinished_requests(self) -> bool:
        return any(True for _ in self._in_line()) or bool(super().has_unfinished_requests())  # type: ignore[misc]

    def get_request_counts(self) -> tuple[int, int]:
        running, waiting = super().get_request_counts()  # type: ignore[misc]
        return running, waiting + sum(1 for _ in self._in_line())

    # ---- a step ------------------------------------------------------------------------------------

    def schedule(self, *given: Any) -> SchedulerOutput:
        while self._line and self._fits(self._line[0]):
            for request in self._line.popleft():
                super().add_request(request)  # type: ignore[misc]
        output: SchedulerOutput = super().schedule(*given)  # type: ignore[misc]
        if self._leaders:
            for gone in self._leaders.keys() - self.requests.keys() - {one.request_id for one in self._in_line()}:
                del self._leaders[gone]
        return output

    def _fits(self, held: list[Request]) -> bool:
        running, waiting = super().get_request_counts()  # type: ignore[misc]
        if not running and not waiting:
            return True
        if running + waiting + len(held) > self.max_num_running_reqs:
            return False
        if sum(map(self._most_blocks, [*self.requests.values(), *held])) > self._blocks:
            return False
        tokens: int = running + sum(request.num_tokens for request in [*self.waiting, *held])
        return tokens <= self.max_num_scheduled_tokens

    def _most_blocks(self, request: Request) -> int:
        """Blocks that a request has at its longest."""
        longest = request.num_prompt_tokens + request.max_tokens
        own: int = sum(-(-longest // manager.block_size) for manager in self._own)
        if follows(request):
            return own
        return own + sum(_cross_blocks(request, manager) for manager in self._cross)

    def _try_schedule_encoder_inputs(
        self, request: Request, computed: int, new: int, budget: int, *rest: Any, **named: Any
    ) -> Any:
        # What vLLM returns for requests that have nothing to encode; versions differ in the number of values.
        empty = super()._try_schedule_encoder_inputs(request, computed, 0, budget, *rest, **named)  # type: ignore[misc]
        return (empty[0], new, *empty[2:])

    def _free_encoder_inputs(self, request: Request) -> None:
        """Nothing was taken."""

    def _share(self, manager: Any) -> None:
        """Let a manager of cross-attention blocks give requests as many as their sound needs, and followers the blocks
        of their leader.

        vLLM asks it for the blocks of no frames, as there is nothing to encode. Raises RuntimeError, which ends the
        engine, for a follower whose leader has no blocks: it would read another sound.
        """
        allocate = manager.allocate_new_blocks

        def get_num_blocks_to_allocate(request_id: str, *given: Any, **named: Any) -> int:
            begun = request_id in self._leaders or manager.req_to_blocks.get(request_id)
            return 0 if begun else _cross_blocks(self.requests[request_id], manager)

        def allocate_new_blocks(request_id: str, *given: Any, **named: Any) -> Any:
            own = manager.req_to_blocks[request_id]
            if own:
                return []
            leader = self._leaders.get(request_id)
            if leader is None:
                frames = frames_of(self.requests[request_id])
                return allocate(request_id, frames, frames)
            shared = list(manager.req_to_blocks.get(leader, ()))
            if not shared:
                raise RuntimeError(f"{request_id} was begun without {leader}, the first beam of its window")
            manager.block_pool.touch(shared)
            own.extend(shared)
            return shared

        manager.get_num_blocks_to_allocate = get_num_blocks_to_allocate
        manager.allocate_new_blocks = allocate_new_blocks

    def _cross_block_ids(self, request_id: str) -> tuple[list[int], int]:
        """The blocks of a request's cross-attention, and how many frames each holds."""
        (manager,) = self._cross
        return [block.block_id for block in manager.req_to_blocks[request_id]], manager.block_size


def _cross_blocks(request: Request, manager: Any) -> int:
    """How many blocks hold a request's sound."""
    blocks: int = -(-frames_of(request) // manager.block_size)
    return blocks


def _is_cross(manager: Any) -> bool:
    from vllm.v1.core.single_type_kv_cache_manager import CrossAttentionManager

    return isinstance(manager, CrossAttentionManager)
