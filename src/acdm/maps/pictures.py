"""The paper's figures as pictures: one signed scale for all, zero at mid-grey, no rescaling image by image."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import find_boundaries
from torch import Tensor

from acdm.data.images.arrays import Array, Box, Floats, Pixels
from acdm.maps.decomposition import Decomposition
from acdm.maps.kinds import KINDS
from acdm.maps.preview import HEAT, full_scale
from acdm.maps.segmentation import cut
from acdm.method.compose import compose

GAP = 2  # white pixels between two tiles
FRAME = 2  # thickness of the red frame around branch 1
BAR = 6  # height in pixels of a map's scale
RED, ORANGE = (200, 30, 30), (255, 140, 0)
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
"""Of findings, in their order; told apart by colour-blind people, too (Okabe and Ito 2008)."""
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


def in_colours(image: Tensor, masks: Sequence[NDArray[np.bool_]]) -> Pixels:
    """The image with the outlines of several masks (H, W), each in its colour (`COLOURS`)."""
    picture = to_pixels(image).copy()
    for mask, colour in zip(masks, cycle(COLOURS), strict=False):
        picture[find_boundaries(mask, mode="inner")] = colour
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


def strip(d: Decomposition, scores: Floats | None = None) -> Pixels:
    """One image, decomposed, as the report's explorer lays it out, with headings.

    First the image, its default map with its scale, the mask on the image, and the image as the other class; below
    them the branches, branch 1 framed, and their sum; then the other maps, at mid-grey where they are zero.

    Args:
        d: of the image.
        scores: (H, W) of the default map, where they are known already.
    """
    maps = d.maps()
    rows = [{"the image": to_pixels(d.image), **_found(d, scores)}]
    if d.branched:
        rows[0][f"as {d.other}"] = to_pixels(d.counterfactual)
        first, *others = [to_pixels(branch) for branch in d.psi]
        branches = {"branch 1": _framed(_enlarge(first)), **{f"branch {n}": b for n, b in enumerate(others, start=2)}}
        rows.append({**branches, "their sum": to_pixels(d.reconstruction)})
    rows.append({name: to_pixels(signed) for name, signed in maps.items() if name not in ("psi1", d.default_map)})
    strips = [beside(_titled(row)) for row in rows if row]
    width = max(row.shape[1] for row in strips)
    return stack([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in strips])


def _found(d: Decomposition, scores: Floats | None) -> dict[str, Pixels]:
    """The default map in colours, over its scale, and the outline of the mask on the image, under their headings."""
    name, signed = d.default_map, d.maps()[d.default_map]
    if signed.calibration is None:
        return {name: to_pixels(signed)}
    scale = d.calibration[name]
    top = full_scale(scale.threshold, name)
    known = signed.calibration.scores(signed) if scores is None else scores
    coloured = _enlarge(heat(known * scale.signs(signed) / top))
    low = 0.0 if KINDS[name].probability else -1.0
    bar = heat(np.linspace(low, 1, coloured.shape[1])[None].repeat(BAR, axis=0))
    gap = np.full((GAP, coloured.shape[1], 3), 255, np.uint8)
    found = cut(known, signed.calibration)
    return {
        f"{name}, {low * top:.2g} to {top:.2g}": np.concatenate([coloured, gap, bar]),
        "its mask": outlined(d.image, found.mask, []),
    }


def heat(shares: NDArray[np.floating]) -> Pixels:
    """Shares (H, W) of a scale, from -1 to 1, as colours (H, W, 3): blue, mid-grey at zero, yellow (`HEAT`)."""
    places = np.linspace(-1, 1, len(HEAT))
    channels = [np.interp(shares, places, values) for values in zip(*HEAT, strict=True)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def _titled(row: Mapping[str, Pixels]) -> list[Pixels]:
    """Tiles of one height, enlarged, each under its heading."""
    tiles = {title: _enlarge(tile) for title, tile in row.items()}
    height = max(len(tile) for tile in tiles.values())
    return [
        np.concatenate(
            [
                _words(title, tile.shape[1]),
                np.pad(tile, ((0, height - len(tile)), (0, 0), (0, 0)), constant_values=255),
            ]
        )
        for title, tile in tiles.items()
    ]


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


def findings_sheet(
    images: Sequence[Array],
    truth: Sequence[Sequence[NDArray[np.bool_]]],
    found: Sequence[Sequence[NDArray[np.bool_]]],
) -> Pixels:
    """A row an image: itself, what is true and what was found, a colour a finding.

    Args:
        images: (C, H, W) each, in [-1, 1].
        truth, found: for each image, masks (H, W) of every finding.
    """
    side = max(SHEET_SIDE, *(max(image.shape[1:]) for image in images))
    strips = [beside([_words(words, side) for words in ("image", "truth", "found")])]
    for image, true, masks in zip(images, truth, found, strict=True):
        whole = torch.from_numpy(image)
        tiles = (to_pixels(whole), in_colours(whole, true), in_colours(whole, masks))
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
    words = words.replace("→", ">")  # the font has no arrow
    lines = textwrap.wrap(words, max(8, width // 6))[:TITLE_LINES]
    picture = Image.new("RGB", (width, 12 * TITLE_LINES), "white")
    top = 12 * (TITLE_LINES - len(lines)) - 2
    ImageDraw.Draw(picture).multiline_text((1, top), "\n".join(lines), fill="black", font=ImageFont.load_default(10))
    return np.asarray(picture)


def _framed(tile: Pixels) -> Pixels:
    framed = tile.copy()
    for edge in (np.s_[:FRAME], np.s_[-FRAME:], np.s_[:, :FRAME], np.s_[:, -FRAME:]):
        framed[edge] = RED
    return framed
