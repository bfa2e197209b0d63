"""Translation between two classes by one generator: three ways to keep an image what it is, from their papers' words.

    cycle        two swaps, there and back, give the image again (CycleGAN, Zhu et al. 2017; one network steered by
                 the class, as in StarGAN, Choi et al. 2018)
    additive     x + M(x), positive to negative alone, with an L1 map (VA-GAN, Baumgartner et al. 2018)
    fixed point  x + delta(x, y), there and back, and nothing to change under the own class (Fixed-Point GAN,
                 Siddiquee et al. 2019)

Networks, optimisers and the discriminator are acdm's with one branch; the adversarial loss is StarGAN v2's.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from acdm.core.config import Config, Network
from acdm.core.device import autocast, automatic_device, channels_last
from acdm.data.batches import Batches
from acdm.evaluation.baselines.interface import Fitted, Images
from acdm.maps.loading import mirrors
from acdm.method import losses
from acdm.method.branches import Branches
from acdm.method.compose import compose
from acdm.method.players import Players, assemble
from acdm.training.loop import MEASURED_STEPS, steps_for
from acdm.training.schedule import set_rate

OPTIONS = {"batch": 8, "optimiser": {"lr": 3e-4}}
WIDTH_FACTOR = 1.5  # the one branch is so much wider than one of acdm's
CYCLE_WEIGHT, FIXED_POINT_WEIGHT, L1_WEIGHT = 10.0, 10.0, 10.0  # the first two as printed

Generator = Callable[[Tensor, Tensor], Tensor]  # images (B, C, S, S) and classes (B,) to what the branch says
Game = Callable[[Generator, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
"""Generator, images and their classes to images to be believed, the classes they pretend to be, and a price."""


def cycle(g: Generator, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Swap there and back: the image again."""
    fake = g(x, 1 - y)
    return fake, 1 - y, CYCLE_WEIGHT * (x - g(fake, y)).abs().mean()


def additive(g: Generator, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Add a map, from the positive class to the negative alone."""
    x, negative = x[y == 1], 1 - y[y == 1]
    change = g(x, negative)
    return x + change, negative, L1_WEIGHT * change.abs().mean()


def fixed_point(g: Generator, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Add a map there and back, and nothing under the own class."""
    fake = x + g(x, 1 - y)
    back = fake + g(fake, y)
    return fake, 1 - y, CYCLE_WEIGHT * (x - back).abs().mean() + FIXED_POINT_WEIGHT * g(x, y).abs().mean()


def fit_translation(images: Images, minutes: float, seed: int, game: Game) -> Fitted:
    """Train within the minutes; the map is what must go from an image to make it negative."""
    x, y = images.train
    network = wider(images.config.network).model_dump()
    config = Config.of({**OPTIONS, "size": x.shape[-1], "seed": seed, "network": network})
    players = assemble(config, x.shape[1], int(y.max()) + 1, torch.device(automatic_device()))
    batches = Batches(x, y, config.batch, images.config.augment, seed)
    facts = _train(players, game, batches, config, minutes)
    average = players.average.module.eval()
    assert isinstance(average, Branches)
    g = _generator(average, config.precision)

    @torch.no_grad()
    def removed(part: Tensor) -> Tensor:
        said = g(part, torch.zeros(len(part), dtype=torch.long)).cpu()
        return part - said if game is cycle else -said  # elsewhere a branch is a change, not an image

    def draw(whole: Tensor) -> Tensor:
        return torch.cat([removed(part) for part in whole.split(32)])

    def mean_of_views(whole: Tensor) -> Tensor:
        return torch.stack([draw(whole.flip(axes)).flip(axes) for axes in mirrors(images.config)]).mean(dim=0)

    return Fitted({"": mean_of_views}, facts)


def wider(network: Network) -> Network:
    """One branch in place of several, `WIDTH_FACTOR` as wide as one of them."""
    widths = {name: round(WIDTH_FACTOR * getattr(network, name)) for name in ("width", "max_width")}
    return Network(**{**network.model_dump(), "branches": 1, **widths})


def _generator(branches: Branches, precision: str) -> Generator:
    device = next(branches.parameters()).device

    def g(x: Tensor, classes: Tensor) -> Tensor:
        with autocast(device, precision):
            (psi,) = branches(channels_last(x.to(device)), classes.to(device))
        return compose(psi)

    return g


def _train(players: Players, game: Game, batches: Batches, config: Config, minutes: float) -> dict[str, float]:
    """Train until the minutes are over; returns steps done and seconds a step."""
    began, seconds, step = time.perf_counter(), 0.0, 0
    g = _generator(players.branches, config.precision)
    steps = 100_000_000  # until the speed is known
    while step < steps and time.perf_counter() - began < 60 * minutes:
        started = time.perf_counter()
        _, x, y = batches.at(step)
        set_rate(players, step, steps, config.optimiser)
        _step(players, game(g, x, y), (x, y), config, step % config.optimiser.r1_every == 0)
        step += 1
        if step > MEASURED_STEPS[0]:
            seconds += time.perf_counter() - started
        if step == MEASURED_STEPS[1]:
            steps = steps_for(
                minutes, time.perf_counter() - began, step, seconds / (MEASURED_STEPS[1] - MEASURED_STEPS[0])
            )
    return {"steps": step, "seconds_a_step": seconds / max(1, step - MEASURED_STEPS[0])}


def _step(
    players: Players, played: tuple[Tensor, Tensor, Tensor], real: tuple[Tensor, Tensor], config: Config, with_r1: bool
) -> None:
    """First the discriminator moves, then the generator."""
    (fake, pretended, price), (x, y) = played, real
    device, d = fake.device, players.discriminator
    x, y, pretended = channels_last(x.to(device)), y.to(device), pretended.to(device)

    def logit(images: Tensor, classes: Tensor) -> Tensor:
        with autocast(device, config.precision):
            return d(images).gather(1, classes[:, None])[:, 0]

    loss = losses.l_discriminator(logit(x, y), logit(fake.detach(), pretended))
    if with_r1:
        genuine = x.detach().requires_grad_(True)
        loss = loss + config.loss.r1 * config.optimiser.r1_every * losses.r1(logit(genuine, y), genuine)
    players.discriminator_optimiser.zero_grad(set_to_none=True)
    loss.backward()
    players.discriminator_optimiser.step()
    total = losses.l_adv(logit(fake, pretended)) + price
    players.generator_optimiser.zero_grad(set_to_none=True)
    total.backward(inputs=list(players.branches.parameters()))
    players.generator_optimiser.step()
    players.average.update_parameters(players.branches)
