"""PyTorch weights of segmentation-3.0 and CAM++ to ONNX: recurrent layers and convolutions of voices in 8 bits.

Other large weights are stored as float16; onnxruntime turns them to float32 when it opens the file. Both models are
compared with PyTorch here, on recordings of people (benchmarks/speakers/calibration.py writes them).
"""

from __future__ import annotations

import io
import types
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from endpoint.errors import ConfigError
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE
from endpoint.weights.quantized import halve, quantize_convolutions, quantize_recurrent, run

SEGMENTATION, PRINTS = "segmentation.onnx", "voice_prints.onnx"
WINDOW = 10 * SAMPLE_RATE
CALIBRATION = Path(__file__).parent / "speaker_calibration.npz"
LOWEST = -16.0  # log-mel energy that is 0 in it
_HELD_OUT = 4  # every fourth piece of it is for the check
_MELS, _PRINT = 80, 192
_OPSET = 17
_SEGMENT = 100  # frames of CAM++'s layers that have one context
_KEPT = (  # convolutions in float32: of few numbers, where 8 bits save nothing; the first ones, where they lose most
    "cam_layer/linear1", "cam_layer/linear2", "dense", "head/conv1", "tdnn/linear",
)  # fmt: skip
_SAME_FRAMES, _SAME_VOICE = 0.98, 0.98  # at least: share of frames, and the least cosine of voice prints


def export(segmentation: bytes, prints: bytes, layers: str, folder: Path) -> None:
    """Write both models into `folder`. layers: the source of CAM++'s. Raises ConfigError."""
    with np.load(CALIBRATION) as stored:
        window = torch.from_numpy(stored["window"] / np.float32(PCM_FULL_SCALE))[None, None]
        features = stored["features"].astype(np.float32) / 10 + np.float32(LOWEST)
    features -= features.mean(axis=1, keepdims=True)
    checked = np.arange(len(features)) % _HELD_OUT == 0
    pieces, held_out = features[~checked, None], features[checked, None]
    first = Segmentation(_weights(segmentation)["state_dict"]).eval()
    second = _campp(_weights(prints), layers).eval()
    with torch.no_grad():
        frames, voices = first(window).numpy().argmax(-1), [second(torch.from_numpy(one)).numpy() for one in held_out]
    _write(first, window, ("samples", "scores"), {0: "windows"}, folder / SEGMENTATION)
    quantize_recurrent(folder / SEGMENTATION)
    shared = SharedContext(second)
    _write(
        shared, torch.from_numpy(pieces[0]), ("features", "voice_print"), {0: "pieces", 1: "frames"}, folder / PRINTS
    )
    quantize_convolutions(folder / PRINTS, "features", pieces, _KEPT)
    for name in (SEGMENTATION, PRINTS):
        halve(folder / name)
    same = float((frames == run(folder / SEGMENTATION, "samples", window.numpy()).argmax(-1)).mean())
    found = [run(folder / PRINTS, "features", one) for one in held_out]
    cosine = min(_cosine(one[0], other[0]) for one, other in zip(voices, found, strict=True))
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


class SharedContext(nn.Module):
    """CAM++, its layers' contexts worked out once for each segment that shares one, not for each of its frames.

    The results are the same. Which frames are of which segment is worked out once for all layers.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.layers = [layer for layer in model.modules() if type(layer).__name__ == "CAMLayer"]
        for layer in self.layers:
            layer.forward = types.MethodType(_with_context, layer)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        frames = (features.shape[1] + 1) // 2
        segment = torch.arange(frames) // _SEGMENT
        spread = (segment == torch.arange((frames + _SEGMENT - 1) // _SEGMENT)[:, None]).to(features.dtype)
        means = (spread / spread.sum(1, keepdim=True)).T
        for layer in self.layers:
            layer.spread, layer.means = spread, means  # [segments, frames], [frames, segments]
        voices: torch.Tensor = self.model(features)
        return voices


def _with_context(layer: Any, values: torch.Tensor) -> torch.Tensor:
    """CAMLayer.forward: [n, channels, frames] -> the same."""
    context = values.mean(-1, keepdim=True) + values @ layer.means
    gates = torch.sigmoid(layer.linear2(functional.relu(layer.linear1(context))))
    gated: torch.Tensor = layer.linear_local(values) * (gates @ layer.spread)
    return gated


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


def _cosine(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
