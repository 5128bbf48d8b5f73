"""The manifests of deploy/kubernetes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "kubernetes"
Manifest = dict[str, Any]


def resources() -> list[str]:
    """The files that the kustomization names."""
    found: list[str] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    return found


def load() -> list[Manifest]:
    """Every manifest that the kustomization names, in its order."""
    return [
        manifest for name in resources() for manifest in yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8"))
    ]


def name_of(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def of_kind(manifests: Sequence[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def workloads(manifests: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """(name, pod template) of everything that runs pods."""
    for manifest in of_kind(manifests, "Deployment", "StatefulSet", "DaemonSet", "Job"):
        yield name_of(manifest), manifest["spec"]["template"]
