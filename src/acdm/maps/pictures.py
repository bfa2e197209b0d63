"""The paper's figures as pictures: one signed scale for all, zero at mid-grey, no rescaling image by image."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import find_boundaries
from torch import Tensor

from acdm.data.images.arrays import Array, Box, Pixels
from acdm.maps.decomposition import Decomposition
from acdm.method.compose import compose

GAP = 2  # white pixels between two tiles
FRAME = 2  # thickness of the red frame around branch 1
RED, ORANGE = (200, 30, 30), (255, 140, 0)
TITLE_LINES = 2
SHEET_SIDE = 128  # tiles of a sheet are enlarged to at least this many pixels


def to_pixels(image: Tensor) -> Pixels:
    """(C, H, W) in [-1, 1] -> (H, W, 3) bytes: -1 is black, 0 mid-grey (128), 1 white; beyond is clipped."""
    values = np.clip(np.round(image.numpy() * 127 + 128), 1, 255).astype(np.uint8).transpose(1, 2, 0)
    return values if values.shape[2] == 3 else np.repeat(values[:, :, :1], 3, axis=2)


def overlay(image: Tensor, scores: NDArray[np.floating], threshold: float) -> Pixels:
    """The image with the scored pixels in orange, as opaque as their share of twice the threshold, at most .7."""
    opacity = np.clip(scores / max(2 * threshold, 1e-12), 0, 1)[:, :, None] * 0.7
    picture = to_pixels(image) * (1 - opacity) + np.array(ORANGE) * opacity
    return np.asarray(picture.round().astype(np.uint8))


def outlined(image: Tensor, mask: NDArray[np.bool_], boxes: Sequence[Box]) -> Pixels:
    """The image with the mask's outline in orange and boxes in red."""
    picture = to_pixels(image).copy()
    picture[find_boundaries(mask, mode="inner")] = ORANGE
    for top, left, bottom, right in boxes:
        picture[[top, bottom - 1], left:right] = RED
        picture[top:bottom, [left, right - 1]] = RED
    return picture


def sheet(images: Tensor, psi: Tensor) -> Pixels:
    """Fig. 4: a column an image; first row the originals, then a row a branch, branch 1 framed in red; last x_hat.

    Args:
        images: (B, C, H, W).
        psi: (B, N, C, H, W).
    """
    rows = [images, *psi.unbind(dim=1), compose(psi)]
    strips = []
    for number, row in enumerate(rows):
        tiles = [_enlarge(to_pixels(tile)) for tile in row]
        strips.append(beside([_framed(tile) for tile in tiles] if number == 1 else tiles))
    return stack(strips)


def beside(tiles: Sequence[Pixels]) -> Pixels:
    """Tiles of one height from left to right."""
    gap = np.full((tiles[0].shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1)


def stack(strips: Sequence[Pixels]) -> Pixels:
    """Strips of one width from top to bottom."""
    gap = np.full((GAP, strips[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for strip in strips for part in (strip, gap)][:-1], axis=0)


def strip(d: Decomposition) -> Pixels:
    """An image in a row: itself, branch 1 (framed), the other branches, x_hat, counterfactual, then the other maps."""
    tiles = [to_pixels(d.image)]
    if d.branched:
        first, *rest = [to_pixels(branch) for branch in d.psi]
        tiles += [_framed(first), *rest, to_pixels(d.reconstruction), to_pixels(d.counterfactual)]
    tiles += [to_pixels(signed) for name, signed in d.maps().items() if name != "psi1"]
    return beside([_enlarge(tile) for tile in tiles])


def compared(
    images: Sequence[Array], masks: Sequence[NDArray[np.bool_]], columns: Mapping[str, Sequence[NDArray[np.floating]]]
) -> Pixels:
    """A row an image: itself, the truth outlined, and what each method scores, white from its loudest thousandth on.

    Args:
        images: (C, H, W) each, in [-1, 1].
        masks: (H, W) each.
        columns: by method, scores (H, W) of each image; a method's pictures share one scale.
    """
    side = max(SHEET_SIDE, *(max(image.shape[1:]) for image in images))
    titles = [_words(words, side) for words in ("image", "truth", *columns)]
    loudest = {name: np.quantile(np.concatenate([s.ravel() for s in c]), 0.999) for name, c in columns.items()}
    strips = [beside(titles)]
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        whole = torch.from_numpy(image)
        tiles = [to_pixels(whole), outlined(whole, mask, [])]
        for name, scores in columns.items():
            share = np.clip(scores[number] / max(loudest[name], 1e-12), 0, 1)
            tiles.append(np.repeat((share * 255).round().astype(np.uint8)[:, :, None], 3, axis=2))
        strips.append(beside([_onto(_enlarge(tile), side) for tile in tiles]))
    return stack(strips)


def _enlarge(tile: Pixels) -> Pixels:
    factor = max(1, SHEET_SIDE // max(tile.shape[:2]))
    return tile.repeat(factor, axis=0).repeat(factor, axis=1)


def _onto(tile: Pixels, side: int) -> Pixels:
    """A tile in the middle of a white square."""
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = ((side - length) // 2 for length in tile.shape[:2])
    square[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return square


def _words(words: str, width: int) -> Pixels:
    """A title over a column, broken into lines where it is too wide."""
    lines = textwrap.wrap(words, max(8, width // 6))[:TITLE_LINES]
    picture = Image.new("RGB", (width, 12 * TITLE_LINES), "white")
    ImageDraw.Draw(picture).multiline_text((1, 0), "\n".join(lines), fill="black", font=ImageFont.load_default(10))
    return np.asarray(picture)


def _framed(tile: Pixels) -> Pixels:
    framed = tile.copy()
    for edge in (np.s_[:FRAME], np.s_[-FRAME:], np.s_[:, :FRAME], np.s_[:, -FRAME:]):
        framed[edge] = RED
    return framed
