import pytest
from small import TINY

from acdm.cli.app import main


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "toy"
    assert main(["toy", str(folder), "--size", "16", "--train", "40", "--test", "12"]) == 0
    return folder


@pytest.fixture(scope="session")
def run(toy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", str(toy), "-o", str(folder), *TINY]) == 0
    assert main(["evaluate", str(folder), str(toy)]) == 0
    assert main(["report", str(folder)]) == 0
    return folder
