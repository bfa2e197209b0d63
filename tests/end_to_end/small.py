"""Options of trainings that take seconds."""

SMALL = [
    "--size", "16", "--batch", "4", "--precision", "fp32", "--network.width", "4", "--network.max-width", "8",
    "--network.critic-width", "4", "--network.critic-max-width", "8", "--branches", "3",
]  # fmt: skip
TINY = [*SMALL, "--steps", "12"]
