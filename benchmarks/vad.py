"""What voice activity costs, and whether it equals Silero's frame-by-frame model.

    python -m benchmarks.vad [silero_vad.onnx]

The file is that of the silero-vad package on PyPI; without it only the speed is measured.
"""

from __future__ import annotations

import io
import sys
import time
import wave

import numpy as np

from endpoint.audio.vad import CONTEXT, VoiceActivity, load
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE, SPEECH_FRAME, Samples
from tests.talk import make_talk

SECONDS, RUNS = 600, 5


def ours(samples: Samples) -> np.ndarray:
    activity = VoiceActivity()
    return np.concatenate([activity.feed(samples), activity.flush()])


def stock(path: str, samples: Samples) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    frames = -(-len(samples) // SPEECH_FRAME)
    sound = np.zeros((1, CONTEXT + frames * SPEECH_FRAME), np.float32)
    sound[0, CONTEXT : CONTEXT + len(samples)] = samples.astype(np.float32) / PCM_FULL_SCALE
    state, rate, probabilities = np.zeros((2, 1, 128), np.float32), np.array(SAMPLE_RATE), []
    for k in range(frames):
        frame = sound[:, k * SPEECH_FRAME : (k + 1) * SPEECH_FRAME + CONTEXT]
        probability, state = session.run(None, {"input": frame, "state": state, "sr": rate})
        probabilities.append(probability[0])
    return np.concatenate(probabilities)


def best(work, runs: int = RUNS) -> float:
    """Least processor time of several runs, in seconds."""
    times = []
    for _ in range(runs):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def main() -> None:
    load()  # before any other import of onnxruntime
    with wave.open(io.BytesIO(make_talk(SECONDS, seed=4).wav)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    print(f"sequence mode   {SECONDS / best(lambda: ours(samples)):6.0f} times real time, one thread")
    if path := next(iter(sys.argv[1:]), None):
        print(f"frame by frame  {SECONDS / best(lambda: stock(path, samples), 1):6.0f} times real time, one thread")
        print(f"largest difference of a probability: {np.abs(ours(samples) - stock(path, samples)).max():.1e}")


if __name__ == "__main__":
    main()
