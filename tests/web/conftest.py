import threading

import pytest
import torch

from acdm.core.config import MAPS, Network
from acdm.maps.calibration import Calibration
from acdm.maps.decomposer import Decomposer
from acdm.maps.judge import Judge, _network
from acdm.method.branches import Branches
from acdm.web.server import Page

SMALL = {"branches": 3, "width": 4, "max_width": 8, "style_dim": 6, "mapping_hidden": 5}


@pytest.fixture(scope="session")
def page():
    """A page of untrained networks, served until the tests are done."""
    torch.manual_seed(0)
    branches = Branches(Network(**SMALL), 1, 2).eval()
    torch.nn.init.normal_(branches.decoder.head.weight, std=0.02)
    known = {name: Calibration("both", 0.0, 0.0, 0.05, "otsu", {}) for name in MAPS}
    judge = Judge(_network(1, 2).eval(), 0.5)
    served = Page(Decomposer(branches, judge, ("no", "<b>yes"), 16, ((),), "fp32", known), "a <run>")
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield served
    served.shutdown()
    served.server_close()
