"""How much work is admitted: endpoint.admission."""

from __future__ import annotations

import pytest

from endpoint.admission import Admission, Load
from endpoint.errors import Overloaded


def admissions(requests: int = 3, seconds: int = 100, processes: int = 1) -> tuple[Load, list[Admission]]:
    load = Load([0] * processes, [0] * processes)
    return load, [Admission(requests, seconds, load, number) for number in range(processes)]


def test_more_requests_than_may_be_under_way_are_refused() -> None:
    load, (admission,) = admissions(requests=2)
    with admission.permit(), admission.permit():
        with pytest.raises(Overloaded, match="MAX_CONCURRENT_REQUESTS"), admission.permit():
            pass
        assert sum(load.requests) == 2
    assert sum(load.requests) == 0
    with admission.permit():
        pass


def test_every_file_of_a_request_counts_as_one() -> None:
    load, (admission,) = admissions(requests=3)
    with admission.permit() as first:
        first.files(2)
        with admission.permit() as second, pytest.raises(Overloaded):
            second.files(2)
        with admission.permit():
            assert load.requests == [3]
    assert load.requests == [0]


def test_a_request_alone_is_admitted_with_more_files_than_the_limit() -> None:
    """Or it would be refused for ever, each time with the advice to try again."""
    load, (admission,) = admissions(requests=3)
    with admission.permit() as alone:
        alone.files(5)
        assert load.requests == [5]
        with pytest.raises(Overloaded), admission.permit():
            pass
    assert load.requests == [0]


def test_seconds_of_audio_are_bounded_but_a_request_alone_is_admitted() -> None:
    load, (admission,) = admissions(seconds=100)
    with admission.permit() as long:
        long.add(250.5)
        long.add(10)  # of its next file; no other request has any
        assert load.seconds == [261]
        with admission.permit() as short, pytest.raises(Overloaded, match="MAX_CONCURRENT_AUDIO_SECONDS"):
            short.add(1)
    assert (load.requests, load.seconds) == ([0], [0])
    with admission.permit() as short:
        short.add(60)
        with admission.permit() as other:
            other.add(40)
            with pytest.raises(Overloaded):
                other.add(1)
            assert load.seconds == [100]


def test_all_processes_count_together() -> None:
    load, (first, second) = admissions(requests=2, seconds=10, processes=2)
    with first.permit() as one, second.permit() as two:
        with pytest.raises(Overloaded), second.permit():
            pass
        one.add(6)
        with pytest.raises(Overloaded):
            two.add(5)
        two.add(4)
        assert (load.requests, load.seconds) == ([1, 1], [6, 4])
    assert (load.requests, load.seconds) == ([0, 0], [0, 0])


def test_a_request_that_fails_leaves_nothing_behind() -> None:
    load, (admission,) = admissions()

    def fail() -> None:
        with admission.permit() as permit:
            permit.add(7)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (load.requests, load.seconds) == ([0], [0])
