"""Run by the Python of .venv-tools: reads annotation files with the libraries of the tools they are for."""

import json
import sys
from pathlib import Path


def label_studio(folder: Path) -> list[list[str]]:
    """What Label Studio's SDK has to say against the predictions of each task; it stops at a bad interface."""
    from label_studio_sdk.label_interface import LabelInterface

    interface = LabelInterface((folder / "label-studio-config.xml").read_text(encoding="utf-8"))
    interface.validate()
    tasks = json.loads((folder / "label-studio.json").read_text(encoding="utf-8"))
    return [interface.validate_prediction(each, return_errors=True) for task in tasks for each in task["predictions"]]


def cvat(folder: Path) -> dict[str, dict[str, list]]:
    """What Datumaro, CVAT's library of formats, finds by image: labels, boxes (x, y, w, h), the masks' union."""
    import datumaro
    import numpy as np

    read = datumaro.Dataset.import_from(str(folder), "cvat")
    labels = [label.name for label in read.categories()[datumaro.AnnotationType.label].items]
    found = {}
    for item in read:
        masks = [a.image for a in item.annotations if a.type == datumaro.AnnotationType.mask]
        boxes = [a.get_bbox() for a in item.annotations if a.type == datumaro.AnnotationType.bbox]
        union = np.any(masks, axis=0).astype(int).tolist() if masks else []
        found[item.id] = {"labels": labels, "boxes": [list(map(float, box)) for box in boxes], "union": union}
    return found


if __name__ == "__main__":
    print(json.dumps({"label-studio": label_studio, "cvat": cvat}[sys.argv[1]](Path(sys.argv[2]))))
