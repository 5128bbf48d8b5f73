"""What a request that has arrived in the engine carries of its window."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from vllm.v1.request import Request

SHARED = "shared"  # in SamplingParams.extra_args: what requests of the same sound have in common


def samples_of(request: Request) -> Tensor:
    """int16 [n]."""
    samples: Tensor = request.mm_features[0].data["samples"].data
    return samples


def frames_of(request: Request) -> int:
    """How many frames of the encoder's output hold it."""
    frames: int = request.mm_features[0].mm_position.length
    return frames


def key_of(request: Request) -> str:
    """The name that it was sent with."""
    key: str = request.mm_features[0].identifier
    return key


def shared_of(request: Request) -> str:
    """The same for requests of the same sound; empty for one of its own."""
    params = request.sampling_params
    return (params.extra_args or {}).get(SHARED, "") if params else ""
