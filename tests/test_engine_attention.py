"""What is asked of the engine for the times of words crosses as msgpack."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("msgspec", reason="the base build has no engine")
import msgspec

from endpoint.engine.attention import Attention, Call, Request


def test_a_call_and_its_response_cross_as_they_are() -> None:
    call = Call([(3, 1)], [Request("words-7", [1, 2, 3], 1, 200, b"\1\0"), Request("words-8", [1], 0, 9)])
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(call), type=Call) == call
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = msgspec.msgpack.decode(msgspec.msgpack.encode(Attention(2, 3, rows.tobytes())), type=Attention)
    np.testing.assert_array_equal(found.matrix(), rows)
