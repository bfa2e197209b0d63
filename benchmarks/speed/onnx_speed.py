"""Maps a second by the exported ONNX models in onnxruntime and by PyTorch, by turns, both in fp32 with as many threads.

    python benchmarks/speed/onnx_speed.py RUN [ROUNDS]

Prints the largest difference of their outputs and, for batches of 1, 8 and 32, images a second of each and the ratio:
of the branches under both classes with the residual, and of the segmenter alone, features included.  Mirror images
are as the run has them, and left out.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from floor import by_turns
from onnxruntime import InferenceSession, SessionOptions, __version__
from torch import Tensor, nn

import acdm
from acdm.core.device import flush_denormals
from acdm.core.memory import keep_memory
from acdm.maps.decomposer import Decomposer
from acdm.maps.export import Portable, PortableSegmenter, export


def session(path: Path) -> InferenceSession:
    options = SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return InferenceSession(str(path), options)


def table(
    title: str, model: nn.Module, exported: InferenceSession, inputs: Callable[[int], dict[str, Tensor]], rounds: int
) -> None:
    print(f"\n{title}\n")
    print("| batch | largest difference | PyTorch, images a second | ONNX, images a second | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for batch in (1, 8, 32):
        given = inputs(batch)
        fed = {name: tensor.numpy() for name, tensor in given.items()}
        with torch.no_grad():
            theirs, ours = exported.run(None, fed), model(**given)
            ours = ours if isinstance(ours, tuple) else (ours,)
            apart = max(float(np.abs(a - b.numpy()).max()) for a, b in zip(theirs, ours, strict=True))
            calls = {"torch": partial(model, **given), "onnx": partial(exported.run, None, fed)}
            seconds = by_turns(calls, rounds, torch.device("cpu"))
        a, b = batch / seconds["torch"], batch / seconds["onnx"]
        print(f"| {batch} | {apart:.1e} | {a:.1f} | {b:.1f} | {b / a:.2f} |", flush=True)


def tables(decomposer: Decomposer, views: str, rounds: int) -> None:
    shape = (decomposer.branches.channels, decomposer.size, decomposer.size)

    def pixels(batch: int) -> dict[str, Tensor]:
        return {"x": torch.rand(batch, *shape) * 2 - 1}

    def with_classes(batch: int) -> dict[str, Tensor]:
        return {**pixels(batch), "y": torch.arange(batch) % 2}

    with TemporaryDirectory() as folder:
        path = export(decomposer, Path(folder), "onnx")
        branches = Portable(decomposer.branches, decomposer.mirrors, len(decomposer.classes)).eval()
        table(f"branches and residual, {views}", branches, session(path), with_classes, rounds)
        if decomposer.segmenter:
            alone = PortableSegmenter(decomposer.segmenter, decomposer.mirrors).eval()
            table(f"object, {views}", alone, session(path.with_stem("object")), pixels, rounds)


def main(run: Path, rounds: int) -> None:
    keep_memory()
    flush_denormals()
    decomposer = acdm.load(run)
    print(f"{torch.get_num_threads()} threads, {decomposer.size} px, torch {torch.__version__}, ort {__version__}")
    tables(decomposer, f"{len(decomposer.mirrors)} views", rounds)
    tables(replace(decomposer, mirrors=decomposer.mirrors[:1]), "one view", rounds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10)
