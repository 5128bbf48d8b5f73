"""PyTorch weights of segmentation-3.0 and CAM++ to ONNX, weights stored as float16.

onnxruntime turns them to float32 when it opens the file: half the size, the same speed. Both are checked against
PyTorch here, as far as float16 lets them be equal.
"""

from __future__ import annotations

import io
import types
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from endpoint.config import add_environment
from endpoint.errors import ConfigError
from endpoint.types import SAMPLE_RATE

SEGMENTATION, PRINTS = "segmentation.onnx", "voice_prints.onnx"
WINDOW = 10 * SAMPLE_RATE
_MELS, _PRINT = 80, 192
_OPSET = 17
_SMALL = 256  # numbers: smaller tensors stay float32
_SAME_FRAMES, _SAME_VOICE = 0.98, 0.9999  # at least: of frames on noise, and cosine


def export(segmentation: bytes, prints: bytes, layers: str, folder: Path) -> None:
    """Write both models into `folder`. layers: the source of CAM++'s. Raises ConfigError."""
    first = Segmentation(_weights(segmentation)["state_dict"]).eval()
    second = _campp(_weights(prints), layers).eval()
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 1, WINDOW)).astype(np.float32) / 10)
    features = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 200, _MELS)).astype(np.float32))
    _write(first, noise, ("samples", "scores"), {0: "windows"}, folder / SEGMENTATION)
    _write(second, features, ("features", "voice_print"), {0: "pieces", 1: "frames"}, folder / PRINTS)
    with torch.no_grad():
        expected, voice = first(noise).numpy(), second(features[:, :150]).numpy()[0]
    same = (expected.argmax(-1) == _run(folder / SEGMENTATION, "samples", noise.numpy()).argmax(-1)).mean()
    found = _run(folder / PRINTS, "features", features[:, :150].numpy())[0]
    cosine = float(voice @ found / np.linalg.norm(voice) / np.linalg.norm(found))
    if same < _SAME_FRAMES or cosine < _SAME_VOICE:
        raise ConfigError(f"the exported models are not the same: {same:.3f} of frames, cosine of voices {cosine:.5f}")


class Segmentation(nn.Module):
    """pyannote's segmentation-3.0: samples [n, 1, WINDOW] -> log-probabilities of 7 classes, [n, 589, 7].

    Names and sizes are those of its weights (pyannote.audio, models/segmentation/PyanNet.py). The band-pass filters are
    worked out here once, so that the first layer is a plain convolution.
    """

    def __init__(self, state: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.wav_norm = nn.InstanceNorm1d(1, affine=True)
        self.conv = nn.ModuleList([nn.Conv1d(1, 80, 251, 10, bias=False), nn.Conv1d(80, 60, 5), nn.Conv1d(60, 60, 5)])
        self.norm = nn.ModuleList([nn.InstanceNorm1d(channels, affine=True) for channels in (80, 60, 60)])
        self.lstm = nn.LSTM(60, 128, num_layers=4, bidirectional=True, batch_first=True)
        self.linear = nn.ModuleList([nn.Linear(256, 128), nn.Linear(128, 128)])
        self.classifier = nn.Linear(128, 7)
        renamed = {
            name.removeprefix("sincnet.").replace("conv1d.", "conv.").replace("norm1d.", "norm."): value
            for name, value in state.items()
        }
        filters = [renamed.pop(f"conv.0.filterbank.{name}") for name in ("low_hz_", "band_hz_", "n_", "window_")]
        self.load_state_dict({**renamed, "conv.0.weight": band_passes(*filters)})

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        found = self.wav_norm(samples)
        for number, (conv, norm) in enumerate(zip(self.conv, self.norm, strict=True)):
            found = conv(found)
            found = functional.leaky_relu(norm(functional.max_pool1d(found if number else found.abs(), 3, 3)))
        found, _ = self.lstm(found.transpose(1, 2))
        for layer in self.linear:
            found = functional.leaky_relu(layer(found))
        return functional.log_softmax(self.classifier(found), -1)


def band_passes(low: torch.Tensor, band: torch.Tensor, times: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """SincNet's filters, cosine and sine phase, from their lower edges and widths [40, 1] in Hz: [80, 1, 251]."""
    low = 50 + low.abs()
    high = torch.clamp(low + 50 + band.abs(), 50, SAMPLE_RATE / 2)
    width = 2 * (high - low)
    cosine = (torch.sin(high @ times) - torch.sin(low @ times)) / (times / 2) * window
    sine = (torch.cos(low @ times) - torch.cos(high @ times)) / (times / 2) * window
    even = torch.cat([cosine, width, cosine.flip(1)], 1) / width
    odd = torch.cat([sine, torch.zeros_like(width), -sine.flip(1)], 1) / width
    return torch.cat([even, odd])[:, None]


def _campp(state: Mapping[str, torch.Tensor], layers: str) -> nn.Module:
    """CAM++: features [n, frames, 80] -> voice prints [n, 192]. `layers` comes out of a file whose hash is known."""
    module = types.ModuleType("campp")
    exec(compile(layers, "camplusplus.py", "exec"), module.__dict__)  # noqa: S102
    model: nn.Module = module.CAMPPlus(feat_dim=_MELS, embedding_size=_PRINT)
    model.load_state_dict(state)
    return model


def _weights(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _write(
    model: nn.Module, example: torch.Tensor, names: tuple[str, str], free: Mapping[int, str], path: Path
) -> None:
    """free: the axes of any length."""
    source, target = names
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, on its own age and on LSTMs in batches
        torch.onnx.export(
            model, (example,), path, input_names=[source], output_names=[target], opset_version=_OPSET, dynamo=False,
            dynamic_axes={source: dict(free), target: {0: free[0]}},
        )  # fmt: skip
    halve(path)


def halve(path: Path) -> None:
    """Store the large weights of an ONNX file as float16, and turn them to float32 before they are used."""
    model = onnx.load(path)
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > _SMALL:
            half = f"{tensor.name}_half"
            model.graph.initializer.remove(tensor)
            model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), half))
            model.graph.node.insert(0, helper.make_node("Cast", [half], [tensor.name], to=TensorProto.FLOAT))
    onnx.save(model, path)


def _run(path: Path, name: str, values: np.ndarray[Any, Any]) -> Any:
    add_environment({"ORT_DISABLE_TELEMETRY": "1"})
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {name: values})[0]
