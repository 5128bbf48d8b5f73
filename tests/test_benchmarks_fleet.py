"""How a fleet's speed is judged: by the windows that its engines begin while all of them work."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from benchmarks.fleet.scaling import _speed


def test_windows_count_while_all_engines_work(tmp_path: Path) -> None:
    log = tmp_path / "windows.txt"
    first = [f"{at:.4f} 11 aa" for at in range(20)]
    second = [f"{at / 2:.4f} 12 bb" for at in range(10, 60)]  # from 5 to 29.5 s, twice as fast
    log.write_text("\n".join([*first, *second]), encoding="utf-8")
    assert _speed(log, 2) == pytest.approx((3.0, 14.0))
    with pytest.raises(AssertionError):
        _speed(log, 3)
