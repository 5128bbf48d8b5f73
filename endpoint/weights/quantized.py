"""ONNX files with smaller weights: of 8 bits where onnxruntime computes with those, else stored as float16."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from endpoint.config import add_environment

_SMALL = 256  # numbers: smaller tensors stay float32


def quantize_recurrent(path: Path) -> None:
    """LSTM layers with int8 weights; what goes in is quantized as it comes."""
    kit = _kit(path)
    kit.quantize_dynamic(path, path, op_types_to_quantize=["LSTM"], weight_type=kit.QuantType.QInt8)


def quantize_convolutions(path: Path, name: str, examples: Iterable[np.ndarray[Any, Any]], kept: Sequence[str]) -> None:
    """Convolutions in int8, with the ranges that values have for `examples` of the input `name`.

    kept: parts of the names of those that stay as they are.
    """
    kit = _kit(path)

    class Examples(kit.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self._left = iter(examples)

        def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
            example = next(self._left, None)
            return None if example is None else {name: example}

    left = [node.name for node in onnx.load(path).graph.node if any(part in node.name for part in kept)]
    kit.quantize_static(
        path, path, Examples(), quant_format=kit.QuantFormat.QDQ, op_types_to_quantize=["Conv"], nodes_to_exclude=left,
        activation_type=kit.QuantType.QUInt8, weight_type=kit.QuantType.QInt8, per_channel=True,
    )  # fmt: skip


def _kit(path: Path) -> Any:
    """onnxruntime.quantization, and the file made ready for it."""
    add_environment({"ORT_DISABLE_TELEMETRY": "1"})
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    quant_pre_process(path, path, skip_symbolic_shape=True)
    return quantization


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


def run(path: Path, name: str, values: np.ndarray[Any, Any]) -> Any:
    """The first output for `values` as the input `name`."""
    add_environment({"ORT_DISABLE_TELEMETRY": "1"})
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {name: values})[0]
