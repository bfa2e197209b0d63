"""Maps of one grey image with onnxruntime and numpy alone, after `acdm export RUN --to onnx -o FOLDER`.

python examples/onnx_with_numpy.py FOLDER IMAGE OUT.png
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

folder, image, out = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
about = json.loads((folder / "model.json").read_text())
session = onnxruntime.InferenceSession(str(folder / "model.onnx"))


def square(side: int) -> np.ndarray:
    """The picture as (1, 1, side, side) in [-1, 1]."""
    picture = Image.open(image).convert("L").resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(picture, np.float32)[None, None] / 127.5 - 1


x = square(about["size"])
y = np.array([1])  # of about["classes"], the positive one
psi, psi_other, residual = session.run(None, {"x": x, "y": y})
contrast = psi[:, 0] - psi_other[:, 0]
print(f"{about['classes'][1]}: contrast up to {contrast.max():.2f}, residual up to {residual.max():.2f}")
shown = residual[0, 0] * 127 + 128  # zero is mid-grey
if "object" in about:  # the run has a segmenter, which needs no class
    segmenter = onnxruntime.InferenceSession(str(folder / "object.onnx"))
    multiple = about["object_multiple"]
    side = multiple * max(2, round(about["size"] / multiple))
    probability = segmenter.run(None, {"x": square(side)})[0]
    found = (probability >= about["calibration"]["object"]["threshold"]).mean()
    print(f"object: probability up to {probability.max():.2f}, {found:.1%} of the pixels belong to it")
    shown = probability[0, 0] * 255
Image.fromarray(np.clip(shown, 0, 255).astype(np.uint8)).save(out)
