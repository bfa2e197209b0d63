"""Numbers in sentences."""


def counted(number: float, noun: str) -> str:
    """A number with its noun, in the plural but of one.

    >>> counted(1, "image"), counted(3, "image"), counted(1.5, "minute")
    ('1 image', '3 images', '1.5 minutes')
    """
    return f"{number:g} {noun}{'' if number == 1 else 's'}"
