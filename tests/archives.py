"""Tar archives, in tests."""

import tarfile


def members(path):
    """Contents by name, in their order."""
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}
