"""Maps a second by the exported ONNX model in onnxruntime and by PyTorch, by turns, both in fp32 with as many threads.

    python benchmarks/speed/onnx_speed.py RUN [ROUNDS]

Prints the largest difference of their outputs and, for batches of 1, 8 and 32, images a second of each and the ratio.
PyTorch computes the same program: branches under both classes and the residual, mirror images as the run has them.
"""

import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import torch
from floor import by_turns

import acdm
from acdm.core.device import flush_denormals
from acdm.core.memory import keep_memory
from acdm.maps.export import Portable, export


def main(run: Path, rounds: int) -> None:
    keep_memory()
    flush_denormals()
    decomposer = acdm.load(run)
    with TemporaryDirectory() as folder:
        path = export(decomposer, Path(folder), "onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        session = onnxruntime.InferenceSession(str(path), options)
    model = Portable(decomposer).eval()
    side = decomposer.size
    print(f"{torch.get_num_threads()} threads, {side} px, torch {torch.__version__}, ort {onnxruntime.__version__}")
    print("| batch | largest difference | PyTorch, images a second | ONNX, images a second | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for batch in (1, 8, 32):
        x = torch.rand(batch, decomposer.branches.channels, side, side) * 2 - 1
        y = torch.arange(batch) % 2
        fed = {"x": x.numpy(), "y": y.numpy()}
        with torch.no_grad():
            theirs, ours = session.run(None, fed), model(x, y)
            apart = max(float(np.abs(a - b.numpy()).max()) for a, b in zip(theirs, ours, strict=True))
            calls = {"torch": partial(model, x, y), "onnx": partial(session.run, None, fed)}
            seconds = by_turns(calls, rounds, torch.device("cpu"))
        a, b = batch / seconds["torch"], batch / seconds["onnx"]
        print(f"| {batch} | {apart:.1e} | {a:.1f} | {b:.1f} | {b / a:.2f} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10)
