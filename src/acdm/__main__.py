"""The command `acdm`, and python -m acdm."""

import sys


def entry() -> None:
    """Run the command line, also where it is interrupted while its modules load."""
    try:
        from acdm.cli.app import entry as run

        run()
    except KeyboardInterrupt:
        print("✗ interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    entry()
