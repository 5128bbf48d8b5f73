"""What scaling to zero costs and saves, in words; the calls are in test_commands_deploy."""

from __future__ import annotations

from endpoint.managed.definition import read_definition
from endpoint.managed.huggingface import costs
from tests.test_managed_definition import SHIPPED, changed


def test_scale_to_zero_figures(tmp_path) -> None:
    always, idle = costs(0.8, read_definition(SHIPPED))
    assert "584 a month" in always
    assert "0.80 of idle time, so up to 24 such calls a day" in idle
    assert len(costs(0.8, read_definition(changed(tmp_path, ("min_replica = 0", "min_replica = 1"))))) == 1
