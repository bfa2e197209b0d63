"""The command line: parse, call, print.  torch is imported inside the commands, so that help and errors are quick."""

import os
import sys
from io import TextIOWrapper

from cyclopts import App, CycloptsError, Parameter
from pydantic import ValidationError

import acdm
from acdm.cli.data import data, toy
from acdm.cli.go import go
from acdm.cli.images import map_, segment
from acdm.cli.runs import env, evaluate, export, info, report, runs, ui
from acdm.cli.studies import bench, compare
from acdm.cli.train import check, demo, train
from acdm.core.memory import keep_memory
from acdm.core.options import argument_with_new_name, sentence
from acdm.errors import AcdmError
from acdm.training.launch import launched

app = App(
    name="acdm",
    help="Two folders of images in, class distinction maps out.",
    version=acdm.__version__,
    result_action="return_value",
    default_parameter=Parameter(consume_multiple=True, negative_iterable=(), negative_none=()),
)
app.command(map_, name="map")
for command in (
    demo, go, toy, data, check, train, segment, evaluate, report, ui, export, info, runs, env, bench, compare
):  # fmt: skip
    app.command(command)
app.register_install_completion_command(help="Have the shell complete commands and options.")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    keep_memory()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal in Latin-1 has no arrows
    words = [argument_with_new_name(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    try:
        app(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print(f"✗ {_words(error)}", file=sys.stderr)
        return 2
    except AcdmError as error:
        print(f"✗ {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # whoever read the output has gone: nothing is wrong, and nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"✗ {where}{error.strerror or error}", file=sys.stderr)
        return 2
    except (ValueError, UnicodeError) as error:  # a path with a NUL in it, a name that is no text
        if "null" not in str(error) and not isinstance(error, UnicodeError):
            raise
        print(f"✗ a name that is none ({error})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("✗ interrupted", file=sys.stderr)
        return 130
    return 0


def _words(error: CycloptsError) -> str:
    """A sentence about what was typed; errors in options are pydantic's, which need words of their own."""
    if isinstance(error.__cause__, ValidationError):
        section = error.argument.name if error.argument else ""
        return sentence(error.__cause__, section.lstrip("-*"))
    return str(error)


def entry() -> None:
    """Run the command line and end the process with its exit code."""
    code = main()
    if launched():  # one of several: threads of their connections may abort a process that ends in good order
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
