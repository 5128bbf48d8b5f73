"""The scores that leave vLLM's sampler with each token: those of the ids that each row asked for.

vLLM fills its table of ids with two tensor operations a row, and counts for every token how many of the vocabulary are
likelier. Here the table is filled on the host, and nothing is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from vllm.v1.outputs import LogprobsTensors


def gather(scores: Tensor, asked: Mapping[int, Sequence[int]], sampled: Tensor) -> LogprobsTensors | None:
    """In the place of Sampler.gather_specific_token_logprobs.

    scores: float32 [rows, vocabulary]. asked: ids by row. sampled: int64 [rows]. The result's scores: float32 [rows,
    1 + most ids], that of the sampled token first, -inf behind the shorter lists; its ranks are all 0.
    """
    from vllm.v1.outputs import LogprobsTensors  # the API's process reaches this module before vLLM's settings are set

    if not asked:
        return None
    table = np.full((len(scores), 1 + max(map(len, asked.values()))), -1)
    for row, ids in asked.items():
        table[row, 1 : 1 + len(ids)] = ids
    wanted = torch.from_numpy(table).to(scores.device, non_blocking=True)
    wanted[:, 0] = sampled
    found = scores.gather(-1, wanted.clamp(min=0)).masked_fill_(wanted < 0, float("-inf"))
    return LogprobsTensors(wanted.to(torch.int32), found, torch.zeros_like(sampled))
