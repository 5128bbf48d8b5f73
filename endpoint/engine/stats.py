"""vLLM's own metrics, `vllm:*`, of each engine of each model. vLLM keeps those of one engine of one model only."""

from __future__ import annotations

from typing import Any

from vllm.v1.metrics.loggers import PrometheusStatLogger

from endpoint.observe.exposition import keep

PREFIX = "vllm:"


def stat_logger(number: int) -> type[PrometheusStatLogger]:
    """What AsyncLLM makes its logger of. number: of the engine among those of its model: its label."""

    class Numbered(PrometheusStatLogger):
        def __init__(self, vllm_config: Any, engine_indexes: Any = None) -> None:
            keep(PREFIX)
            super().__init__(vllm_config, [number])

        def record(self, *given: Any, engine_idx: int = 0, **named: Any) -> None:
            super().record(*given, engine_idx=number, **named)

    return Numbered
