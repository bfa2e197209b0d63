"""python -m acdm is acdm."""

from acdm.cli.app import entry

if __name__ == "__main__":
    entry()
