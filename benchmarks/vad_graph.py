"""Make the file of voice activity that the decoding processes run, out of Silero VAD's own.

    python -m benchmarks.vad_graph silero_vad_16k_sequence.onnx      (of silero-vad 6.2.3 on PyPI; needs onnx 1.22)

The same weights and the same numbers, in matrix products: Silero's convolutions slide over four positions, for which
onnxruntime takes ten times as long as for one product of all of them. `python -m benchmarks.vad` measures and compares.
"""

from __future__ import annotations

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from endpoint.audio.vad import CONTEXT, MODEL, STATE
from endpoint.types import SPEECH_FRAME

HOP, BINS, POSITIONS = 128, 129, 4  # of the spectrogram, of which a frame gives four
STRIDES = (1, 2, 2, 1)  # of the four convolutions, each of three positions


class Graph:
    """Nodes and constants, by name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants[name] = np.ascontiguousarray(value)
        return name

    def add(self, kind: str, inputs: list[str], *outputs: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, list(outputs), **attributes))
        return outputs[0]


def whole(weight: np.ndarray, positions: int, stride: int) -> np.ndarray:
    """A convolution [out, in, 3], padded by one, over so many positions: [positions × in, positions out × out]."""
    out, given, _ = weight.shape
    table = np.zeros((positions, given, -(-positions // stride), out), np.float32)
    for target in range(table.shape[2]):
        for tap in range(3):
            if 0 <= (place := stride * target + tap - 1) < positions:
                table[place, :, target] = weight[:, :, tap].T
    return table.reshape(positions * given, -1)


def spectrogram(graph: Graph, basis: np.ndarray) -> str:
    """input [n, 576] -> magnitudes [n, POSITIONS × BINS]; a position is 256 samples, two blocks of HOP."""
    numbers = {name: graph.constant(name, np.array([k])) for k, name in enumerate(("zero", "one"))}
    last, end = graph.constant("last", np.array([POSITIONS])), graph.constant("end", np.array([POSITIONS + 1]))
    graph.add("Pad", ["input", graph.constant("pads", np.array([0, 0, 0, HOP // 2]))], "padded", mode="reflect")
    graph.add("Reshape", ["padded", graph.constant("blocked", np.array([-1, POSITIONS + 1, HOP]))], "blocks")
    graph.add("Slice", ["blocks", numbers["zero"], last, numbers["one"]], "left")
    graph.add("Slice", ["blocks", numbers["one"], end, numbers["one"]], "right")
    graph.add("Concat", ["left", "right"], "pieces", axis=2)
    graph.add("MatMul", ["pieces", graph.constant("basis", basis[:, 0].T)], "spectrum")
    graph.add("Split", ["spectrum", graph.constant("halves", np.array([BINS, BINS]))], "real", "imaginary", axis=2)
    for part in ("real", "imaginary"):
        graph.add("Mul", [part, part], f"{part} squared")
    graph.add("Add", ["real squared", "imaginary squared"], "power")
    graph.add("Sqrt", ["power"], "magnitude")
    return graph.add("Reshape", ["magnitude", graph.constant("flat", np.array([-1, POSITIONS * BINS]))], "features")


def rebuilt(source: onnx.ModelProto) -> onnx.ModelProto:
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in source.graph.initializer}
    lstm = next(node for node in source.graph.node if node.op_type == "LSTM")
    graph = Graph()
    at, positions = spectrogram(graph, weights["stft.forward_basis_buffer"]), POSITIONS
    for k, stride in enumerate(STRIDES):
        table = graph.constant(f"weight {k}", whole(weights[f"encoder.{k}.weight"], positions, stride))
        positions = -(-positions // stride)
        bias = graph.constant(f"bias {k}", np.tile(weights[f"encoder.{k}.bias"], positions))
        at = graph.add("Relu", [graph.add("Gemm", [at, table, bias], f"sum {k}")], f"layer {k}")
    graph.add("Unsqueeze", [at, "one"], "sequence")
    kept = [graph.constant(f"lstm {k}", weights[name]) for k, name in enumerate(lstm.input[1:4])]
    graph.add("LSTM", ["sequence", *kept, "", "h", "c"], "memory", "hn", "cn", hidden_size=STATE[-1])
    graph.add("Reshape", ["memory", graph.constant("rows", np.array([-1, STATE[-1]]))], "rows of memory")
    graph.add("Relu", ["rows of memory"], "last layer")
    output = [
        graph.constant("output", weights["output.weight"][:, :, 0].T),
        graph.constant("shift", weights["output.bias"]),
    ]
    graph.add("Gemm", ["last layer", *output], "score")
    graph.add("Sigmoid", ["score"], "chance")
    graph.add("Reshape", ["chance", graph.constant("one row", np.array([-1]))], "speech_probs")

    def value(name: str, *shape: object) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    given = [value("input", "n", CONTEXT + SPEECH_FRAME), value("h", *STATE), value("c", *STATE)]
    gives = [value("speech_probs", "n"), value("hn", *STATE), value("cn", *STATE)]
    constants = [numpy_helper.from_array(table, name) for name, table in graph.constants.items()]
    body = helper.make_graph(graph.nodes, "silero vad in matrix products", given, gives, constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    onnx.save(rebuilt(onnx.load(sys.argv[1])), MODEL)
