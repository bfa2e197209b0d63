import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import small_network

from acdm.core.config import MAPS
from acdm.core.records import DataRecord, File
from acdm.data.images.read import digest, read_image
from acdm.maps.calibration import Calibration
from acdm.maps.decomposer import Decomposer
from acdm.maps.findings import FindingsDecomposer
from acdm.maps.judge import Judge, small_resnet
from acdm.method.branches import Branches
from acdm.method.findings import FindingBranches, OneFinding
from acdm.web.corrections import Corrections
from acdm.web.server import Beside, LocalServer


@pytest.fixture(scope="session")
def untrained():
    torch.manual_seed(0)
    branches = Branches(small_network(), 1, 2).eval()
    torch.nn.init.normal_(branches.decoder.head.weight, std=0.02)
    known = {name: Calibration("both", 0.0, 0.0, 0.05, "otsu", {}) for name in MAPS}
    judge = Judge(small_resnet(1, 2).eval(), 0.5)
    return Decomposer(
        branches=branches, judge=judge, classes=("no", "<b>yes"), size=16, precision="fp32", calibration=known
    )


@pytest.fixture(scope="session")
def page(untrained):
    """A page of untrained networks, served until the tests are done."""
    with served(LocalServer(untrained, "a <run>")) as page:
        yield page


@pytest.fixture
def correcting(untrained, tmp_path):
    """A page that saves corrected masks, of a run that was trained on three images, which lie in `images`."""
    rng, known = np.random.default_rng(5), []
    for name, label in (("no/scan", "no"), ("<b>yes/scan", "<b>yes"), ("<b>yes/../../away", "<b>yes")):
        path = tmp_path / "images" / f"{label}-{name.rsplit('/')[-1]}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (240, 160), np.uint8)).save(path)
        known.append((File(path=f"train/{name}.png", label=label, group=""), digest(read_image(path))))
    data = taught_on(("no", "<b>yes"), known)
    beside = {"": Beside(corrections=Corrections(tmp_path / "masks", Path("runs/boards"), data))}
    with served(LocalServer(untrained, "a run", beside=beside)) as page:
        yield page


@pytest.fixture
def of_findings(untrained, tmp_path):
    """A page of untrained networks of two findings; masks of the first are saved."""
    torch.manual_seed(0)
    shared = FindingBranches(small_network(), 1, 2).eval()
    torch.nn.init.normal_(shared.decoder.head.weight, std=0.02)
    of_each = {
        name: replace(
            untrained,
            branches=OneFinding(shared, k, lambda x: torch.ones(len(x), 2, dtype=torch.long)),
            classes=(f"no {name}", name),
        )
        for k, name in enumerate(("spur", "open"))
    }
    data = taught_on(("no spur", "spur"), [(File(path="train/no.png", label="spur", group=""), "")])
    beside = {"spur": Beside(corrections=Corrections(tmp_path / "masks/spur", Path("kinds/findings/spur"), data))}
    with served(LocalServer(FindingsDecomposer(of_each), "kinds", beside=beside)) as page:
        yield page


def taught_on(classes, known):
    """What a run of two classes knows of its training images, each with the digest of its pixels."""
    files, digests = zip(*known, strict=True)
    return DataRecord(
        classes=classes, positive=classes[1], channels=1, size=16, n={}, files={"train": files}, digests=digests
    )


@contextmanager
def served(page):
    threading.Thread(target=page.serve_forever, daemon=True).start()
    yield page
    page.shutdown()
    page.server_close()
