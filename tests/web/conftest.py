import threading

import pytest
import torch
from small import small_network

from acdm.core.config import MAPS
from acdm.maps.calibration import Calibration
from acdm.maps.decomposer import Decomposer
from acdm.maps.judge import Judge, small_resnet
from acdm.method.branches import Branches
from acdm.web.server import LocalServer


@pytest.fixture(scope="session")
def page():
    """A page of untrained networks, served until the tests are done."""
    torch.manual_seed(0)
    branches = Branches(small_network(), 1, 2).eval()
    torch.nn.init.normal_(branches.decoder.head.weight, std=0.02)
    known = {name: Calibration("both", 0.0, 0.0, 0.05, "otsu", {}) for name in MAPS}
    judge = Judge(small_resnet(1, 2).eval(), 0.5)
    decomposer = Decomposer(
        branches=branches, judge=judge, classes=("no", "<b>yes"), size=16, precision="fp32", calibration=known
    )
    served = LocalServer(decomposer, "a <run>")
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield served
    served.shutdown()
    served.server_close()
