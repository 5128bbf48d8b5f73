"""The rows and the charts of fleets."""

from __future__ import annotations

import pytest

from endpoint.capacity.report import HEADS, as_html, as_json, charts, fleet, row
from endpoint.capacity.simulate import Moment, Simulated

RUN = Simulated(
    [1.0] * 19 + [5.0], 3_600.0, 7_200.0, 3, 0.25, [Moment(float(k), float(k == 777), 2) for k in range(1_000)]
)


def test_costs_are_of_engines_and_of_audio() -> None:
    one = fleet("2", RUN, audio=36_000, price=3, goal=2)
    assert (one.hours, one.cost, one.audio_cost) == pytest.approx((2, 6, 0.6))
    assert one.holds
    assert not fleet("2", RUN, audio=36_000, price=3, goal=1).holds
    assert len(row(one)) == len(HEADS)
    assert as_json([one], {"a": 1})["fleets"][0]["latency"]["p50"] == 1


def test_no_peak_is_lost_in_a_chart() -> None:
    page = as_html([fleet("2", RUN, 36_000, 3, 2)], {"2 engines": RUN}, {"<b>": "&"})
    assert "&lt;b&gt;: &amp;" in page
    queued = charts([fleet("2", RUN, 36_000, 3, 2)], {"x": RUN})[2]
    assert len({point.split(",")[1] for point in queued.split('points="')[1].split('"')[0].split()}) == 2
