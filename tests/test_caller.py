"""A caller without a key may do everything, and has no limits of its own."""

from __future__ import annotations

from endpoint.caller import ANONYMOUS, ANONYMOUS_ID, Limits, Scope


def test_anonymous_may_do_everything() -> None:
    assert ANONYMOUS.id == ANONYMOUS_ID
    assert ANONYMOUS.scopes == set(Scope)
    assert ANONYMOUS.models is None
    assert ANONYMOUS.limits == Limits()
