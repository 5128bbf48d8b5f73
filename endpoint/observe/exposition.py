"""All metrics of the server as the text that Prometheus reads: ours, vLLM's, the process's and the GPUs'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess, values
from prometheus_client import REGISTRY as DEFAULT
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from endpoint.observe import metrics
from endpoint.observe.gpu import gpus

__all__ = ["CONTENT_TYPE_LATEST", "exposition", "keep"]

_kept = list[Collector]()


def keep(prefix: str) -> None:
    """Take the collectors of such names out of the default registry, and show them all the same.

    vLLM registers its metrics again for each model, and drops those of the model before.
    """
    for collector, names in list(DEFAULT._collector_to_names.items()):
        if any(name.startswith(prefix) for name in names):
            DEFAULT.unregister(collector)
            _kept.append(collector)


def exposition() -> bytes:
    """Of all processes of the server where there are several."""
    registry = CollectorRegistry(auto_describe=False)
    if values.ValueClass is values.MutexValue:
        registry.register(_Joined((metrics.REGISTRY, DEFAULT, *_kept)))
    else:
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(_Joined((gpus(),)))
    return generate_latest(registry)


class _Joined(Collector):
    """Collectors as one: metrics of the same name are one metric."""

    def __init__(self, parts: Iterable[Collector]) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        found = dict[str, Metric]()
        for part in self._parts:
            for metric in part.collect():
                if metric.name in found:
                    found[metric.name].samples.extend(metric.samples)
                else:
                    found[metric.name] = metric
        yield from found.values()
