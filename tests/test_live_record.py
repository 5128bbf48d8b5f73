"""What is measured of live sessions."""

from __future__ import annotations

from endpoint.live.record import LAST, Lag, LiveRecord


def test_the_last_lags_are_kept_and_observers_see_all():
    record, seen = LiveRecord(), []
    record.observers.append(lambda lag, seconds: seen.append((lag, seconds)))
    for k in range(LAST + 1):
        record.observe(Lag.WORD, float(k))
    record.observe(Lag.FINAL, 0.5)
    assert len(record.lags[Lag.WORD]) == LAST
    assert list(record.lags[Lag.FINAL]) == [0.5]
    assert len(seen) == LAST + 2
