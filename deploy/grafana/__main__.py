"""Write the dashboards: `python -m deploy.grafana`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deploy.grafana.panels import DASHBOARDS, Panel

FOLDER = Path(__file__).parent / "dashboards"
WIDTH, HEIGHT, STAT_HEIGHT = 24, 8, 4
SOURCE = {"type": "prometheus", "uid": "prometheus"}


def dashboard(name: str, panels: tuple[Panel, ...]) -> dict[str, Any]:
    """Grafana's JSON of one dashboard."""
    laid, x, y, row = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        height = STAT_HEIGHT if panel.stat else HEIGHT
        if x + panel.width > WIDTH or (row and row != height):
            x, y = 0, y + row
        row = height
        laid.append(_panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": height}))
        x += panel.width
    return {
        "uid": f"stt-{name}",
        "title": f"Speech to text: {name}",
        "tags": ["speech-to-text"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["speech-to-text"], "title": "Dashboards", "asDropdown": False}],
        "panels": laid,
    }


def _panel(number: int, panel: Panel, where: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(65 + k), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
        for k, (expression, legend) in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": where,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def written(name: str) -> str:
    """What the file of a dashboard has to hold."""
    return json.dumps(dashboard(name, DASHBOARDS[name]), indent=2) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(written(name))
