"""Which step's networks draw the maps, without a mask: the latest that convinces for hardly more change than it takes.

Trained for long on few images, the swap changes more and more that has nothing to do with the class, and convinces no
better (docs/results/choices.md).  At every look at validation images two numbers are known: how surely the judge takes
swapped images for the other class, and by how much they changed.  Their quotient rises while the class is learned, and
falls when everything else is.
"""

from dataclasses import dataclass

CONVINCED = 0.5  # probability of the other class, from which on a look counts at all
AS_WELL = 0.9  # of the best conviction so far, below which a look counts no more
NEAR = 0.95  # of the best quotient so far: the latest look that reaches this is taken


@dataclass
class Choice:
    """What has been seen so far.

    Attributes:
        most: the best conviction.
        best: the best conviction per change, among looks that count.
        taken: conviction of the look that is taken; 0 where none is.
    """

    most: float = 0.0
    best: float = 0.0
    taken: float = 0.0

    def take(self, convinced: float, change: float) -> bool:
        """Whether this look's networks are to be kept in place of earlier ones.

        Args:
            convinced: mean probability, by the judge, that swapped images are of the other class.
            change: mean |x_st - x_hat|.
        """
        self.most = max(self.most, convinced)
        if self.taken < AS_WELL * self.most:
            self.best = self.taken = 0.0
        if convinced < max(CONVINCED, AS_WELL * self.most):
            return False
        quotient = convinced / max(change, 1e-9)
        if quotient < NEAR * self.best:
            return False
        self.best, self.taken = max(self.best, quotient), convinced
        return True
