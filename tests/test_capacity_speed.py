"""From a bench report to the rates of an engine."""

from __future__ import annotations

import pytest

from endpoint.capacity.speed import Speed, speed_of
from endpoint.errors import InvalidRequest
from tests.capacity_support import a_run


def test_rates_are_joined_by_lines_and_the_last_one_stays() -> None:
    speed = speed_of({"runs": [a_run(4, 8.0), a_run(1, 4.0)]})
    assert [speed.rate(n) for n in (0.5, 1, 2.5, 4, 100)] == [2, 4, 6, 8, 8]
    assert (speed.best, speed.best_audio, speed.most_measured) == (8, 80, 4)


def test_runs_of_one_concurrency_count_together() -> None:
    assert speed_of({"runs": [a_run(2, 4.0), a_run(2, 6.0)]}).rate(2) == 5


def test_long_recordings_are_several_windows() -> None:
    run = a_run(2, 1.0) | {"windows_per_second": 3.0}
    speed = speed_of({"runs": [run]})
    assert speed.points == ((6.0, 3.0),)
    assert speed.works(10) == [1]
    assert speed.works(61) == [1] * 3


def test_work_grows_with_the_audio_of_a_window_as_latency_does() -> None:
    run = a_run(1, 1.0) | {"latencies": [0.6, 0.8, 1.0], "audio_seconds": [5.0, 10.0, 15.0]}
    speed = speed_of({"runs": [run]})
    assert speed.works(10) == pytest.approx([1])
    assert speed.works(15)[0] / speed.works(5)[0] == pytest.approx(1.0 / 0.6)
    assert sum(speed.works(40)) == pytest.approx(2 * speed.works(20)[0])


@pytest.mark.parametrize("latencies", [[1.0, 0.8, 0.6], [0.1, 0.8, 9.0]])
def test_work_is_never_negative(latencies: list[float]) -> None:
    speed = speed_of({"runs": [a_run(1, 1.0) | {"latencies": latencies, "audio_seconds": [5.0, 10.0, 15.0]}]})
    assert speed.fixed >= -1e-9
    assert speed.per_second >= 0


def test_reports_that_do_not_do() -> None:
    with pytest.raises(InvalidRequest, match="no run of callers"):
        speed_of({"runs": [a_run(1, 1.0) | {"concurrency": None}]})
    with pytest.raises(InvalidRequest, match="3 requests"):
        speed_of({"runs": [a_run(1, 1.0) | {"failures": {"timeout": 3}}]})
    for wrong in ({}, {"runs": [{}]}, {"runs": 3}, []):
        with pytest.raises(InvalidRequest, match="endpoint bench"):
            speed_of(wrong)  # type: ignore[arg-type]


def test_a_speed_is_a_value() -> None:
    assert Speed(((1.0, 2.0),), 1.0, 0.0, 10.0) == Speed(((1.0, 2.0),), 1.0, 0.0, 10.0)
