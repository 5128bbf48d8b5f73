"""What the API's process asks of the engine's for the times of words, and its response; they cross as msgpack.

KEEP marks the windows whose encoder output the engine keeps for it.
"""

from __future__ import annotations

import msgspec
import numpy as np

KEEP = "words-"  # how their keys begin


class Request(msgspec.Struct):
    """key: of the window. ids: decoder tokens, prefix and <|endoftext|> included. first: row of the first text token.
    frames: of the encoder that hold sound. samples: int16 bytes, given when the encoder's output was not kept.
    """

    key: str
    ids: list[int]
    first: int
    frames: int
    samples: bytes | None = None


class Attention(msgspec.Struct):
    """float32 [rows, frames]: rows for each text token and one for <|endoftext|>; empty if nothing was kept."""

    rows: int
    frames: int
    data: bytes

    def matrix(self) -> np.ndarray:
        return np.frombuffer(self.data, np.float32).reshape(self.rows, self.frames)


class Call(msgspec.Struct):
    heads: list[tuple[int, int]]  # (layer, head)
    requests: list[Request]
