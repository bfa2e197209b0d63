"""One training as several processes of this machine, or of several that torchrun's variables describe.

The same environment as torchrun's, so that `torchrun … -m acdm train …` does the same; here exit codes and signals keep
their meaning.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from acdm.errors import ConfigError
from acdm.training.signals import SAVING, STOPPING, heeded

PORT = 29500  # of the first machine, where MASTER_PORT names no other
INTERRUPTED = (129, 130, 143)  # exit codes
GRACE_SAVING, GRACE_FAILED = (
    30.0,
    5.0,
)  # seconds that the others have to end by themselves, after one was interrupted or failed


def launched() -> bool:
    """Whether this process is one of several already."""
    return "WORLD_SIZE" in os.environ


def require_named(out: Path | None) -> None:
    """Raises ConfigError where several processes would each choose a run folder."""
    if out is None:
        raise ConfigError("several processes train one run: name its folder with -o")


def launch(arguments: Sequence[str], devices: int, nodes: int) -> int:
    """Run `acdm` with those arguments in `devices` processes on this machine, of `nodes`; the first one's exit code.

    Raises:
        ConfigError: when there are several machines and the environment does not say which one this is.
    """
    node, address, port = 0, "127.0.0.1", _free_port()
    if nodes > 1:
        try:
            node, address = int(os.environ["NODE_RANK"]), os.environ["MASTER_ADDR"]
        except (KeyError, ValueError):
            raise ConfigError(
                f"--nodes {nodes}: set NODE_RANK (0 to {nodes - 1}, this machine's number) and MASTER_ADDR (the first"
                " machine's address) on each of them"
            ) from None
        port = int(os.environ.get("MASTER_PORT", PORT))
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // devices)))
    processes = []
    for place in range(devices):
        own = {
            "RANK": node * devices + place, "LOCAL_RANK": place, "WORLD_SIZE": nodes * devices, "MASTER_ADDR": address,
            "MASTER_PORT": port, "OMP_NUM_THREADS": threads,
        }  # fmt: skip
        environment = {**os.environ, **{name: str(value) for name, value in own.items()}}
        command = [sys.executable, "-m", "acdm", *arguments]
        processes.append(subprocess.Popen(command, env=environment, start_new_session=True))
    return _watched(processes)


def _watched(processes: Sequence["subprocess.Popen[bytes]"]) -> int:
    """Wait for all; pass signals on, each once; end the others where one failed.

    The processes are in sessions of their own, so that no signal reaches them by a second way.
    """
    for number in heeded(STOPPING) | SAVING:
        signal.signal(number, lambda received, frame: _send(processes, received))
    while any(process.poll() is None for process in processes):
        codes = [code for code in (process.poll() for process in processes) if code]
        if codes:
            _end(processes, GRACE_SAVING if codes[0] in INTERRUPTED else GRACE_FAILED)
        time.sleep(0.1)
    failed = [process.returncode for process in processes if process.returncode]
    first = processes[0].returncode if processes[0].returncode in (0, *INTERRUPTED) else None
    code = next((c for c in (first, *failed) if c), 0)
    return code if code >= 0 else 128 - code


def _send(processes: Sequence["subprocess.Popen[bytes]"], number: int) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)


def _end(processes: Sequence["subprocess.Popen[bytes]"], grace: float) -> None:
    """The others wait for one that will not come; they have nothing to save that the first one has not."""
    deadline = time.monotonic() + grace
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        time.sleep(0.1)
    _send(processes, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
