"""python -m acdm is acdm."""

from acdm.cli import entry

if __name__ == "__main__":
    entry()
