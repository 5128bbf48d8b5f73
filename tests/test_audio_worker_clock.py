"""A track's clock: silence where sound comes later, what counts as missing, and timestamps that cannot be believed."""

from __future__ import annotations

import pytest

from endpoint.audio.worker.clock import Clock, Report

FRAME = 0.02


def played(*times: float | None, **about: float | bool | None) -> tuple[list[float], Report, Clock]:
    """Silence before each frame of FRAME seconds with these timestamps."""
    report = Report()
    damaged = bool(about.pop("damaged", False))
    clock = Clock(report, **{"start": 0.0, "length": None, "longest": 14_400.0} | about)  # type: ignore[arg-type]
    clock.damaged = damaged
    return [clock.before(time, FRAME) for time in times], report, clock


def test_frames_in_a_row_have_nothing_between_them() -> None:
    gaps, report, clock = played(0.0, 0.02, 0.04)
    assert (gaps, report.gaps) == ([0, 0, 0], [])
    assert clock.position == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("start", "first", "silence"), [(0.0, 5.0, 5.0), (5.0, 5.0, 0.0), (1.4, 1.5, 0.1), (None, 9.0, 0)]
)
def test_sound_begins_where_its_timestamp_is_in_the_container(
    start: float | None, first: float, silence: float
) -> None:
    gaps, report, _ = played(first, start=start)
    assert gaps == [pytest.approx(silence)]
    assert report.gaps == []  # late is not missing


def test_rounded_timestamps_insert_nothing_however_many_there_are() -> None:
    gaps, report, _ = played(*(round(k * FRAME + (k % 3) * 0.004, 3) for k in range(5_000)))
    assert (set(gaps), report.gaps) == ({0.0}, [])


def test_a_gap_is_silence_and_missing() -> None:
    gaps, report, _ = played(0.0, 2.02, 2.04)
    assert gaps == [0, pytest.approx(2.0), 0]
    assert report.gaps == [(pytest.approx(0.02), pytest.approx(2.02))]


def test_encoders_that_leave_silence_out_are_believed_in_a_file_without_damage() -> None:
    assert played(0.0, 2.02, pauses=True)[1].gaps == []
    assert len(played(0.0, 2.02, pauses=True, damaged=True)[1].gaps) == 1


@pytest.mark.parametrize("time", [-1e9, 1e9, 4_000.0])
def test_a_clock_that_was_set_anew_is_no_gap(time: float) -> None:
    gaps, report, _ = played(0.0, time, time + FRAME, time + 2 * FRAME)
    assert (gaps, report.gaps) == ([0] * 4, [])


def test_no_timestamps_are_no_gaps() -> None:
    assert played(None, None, 7.0, None)[0][:2] == [0, 0]


def test_a_gap_past_the_declared_length_is_none() -> None:
    assert played(0.0, 50.0, length=10.0)[0] == [0, 0]


def test_what_is_declared_and_not_there_is_missing() -> None:
    _, report, clock = played(0.0, length=3.0)
    clock.finish()
    assert report.gaps == [(pytest.approx(FRAME), 3.0)]
    _, report, clock = played(0.0, length=None)
    clock.finish(estimate=2.0)
    assert report.gaps == [(pytest.approx(FRAME), 2.0)]
    _, report, clock = played(0.0, length=0.4)
    clock.finish()
    assert report.gaps == []


def test_a_header_that_declares_ages_is_bounded() -> None:
    _, report, clock = played(0.0, length=1e12, longest=60.0)
    clock.finish()
    assert report.gaps == [(pytest.approx(FRAME), 60.0)]


def test_what_was_lost_is_silence_and_the_clock_goes_on_behind_it() -> None:
    _, report, clock = played(0.0)
    clock.lose(1.5)
    assert [clock.before(time, FRAME) for time in (0.02, 0.04)] == [1.5, 0]
    assert report.gaps == [(pytest.approx(0.02), pytest.approx(1.52))]
    clock.lose(0.1)  # too little to count
    assert clock.before(0.06, FRAME) == 0


def test_a_loss_without_bounds_is_bounded() -> None:
    _, _, clock = played(0.0, longest=60.0)
    clock.lose(1e9)
    assert clock.before(0.02, FRAME) == 60.0
