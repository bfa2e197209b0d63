"""M: the mapping network, from the identity of a class to its style."""

from torch import Tensor, nn


class Mapping(nn.Module):
    """s_y = M(y), "based solely on the identity of the class" (section 3.2): no noise enters.

    Args:
        classes: K, how many classes there are.
        style_dim: length of a style.
        hidden: width of the hidden layers; each class has a learned input of this length.
    """

    def __init__(self, classes: int, style_dim: int, hidden: int) -> None:
        super().__init__()
        self.identity = nn.Embedding(classes, hidden)
        self.shared = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, style_dim)
        )

    def forward(self, y: Tensor) -> Tensor:  # (B,) class indices -> (B, style_dim)
        out: Tensor = self.shared(self.identity(y))
        return out
