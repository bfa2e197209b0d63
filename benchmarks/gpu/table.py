"""A Markdown table that grows row by row, on the screen and in a file, so that what is cut off leaves its rows."""

import platform
from pathlib import Path

import torch


class Table:
    """A table of figures beside what was asked for."""

    def __init__(self, path: Path, command: str) -> None:
        chip = torch.cuda.get_device_name() if torch.cuda.is_available() else f"no GPU ({platform.machine()})"
        self.path = path
        path.write_text("")
        self._add(f"{chip}, torch {torch.__version__}, Python {platform.python_version()}. Command: `{command}`.")
        self._add("\n| figure | measured | asked for |\n| --- | --- | --- |")

    def row(self, figure: str, measured: str, asked: str) -> None:
        self._add(f"| {figure} | {measured} | {asked} |")

    def _add(self, line: str) -> None:
        print(line, flush=True)
        with self.path.open("a") as file:
            file.write(line + "\n")
