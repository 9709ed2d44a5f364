import struct
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from deepemo.charts.colours import COLOURS
from deepemo.charts.style import DPI, PAGE_WIDTH, STYLE, emotion_colours, line_styles, page_figure, save, styled
from deepemo.emotions import EMOTIONS


@styled
def bars() -> Figure:
    figure = page_figure(3.0)
    axes = figure.subplots()
    axes.bar(range(len(EMOTIONS)), range(1, 8), color=emotion_colours())
    picture = np.random.default_rng(1).random((80, 200))
    axes.imshow(picture, extent=(0, 6, 8, 20), aspect="auto")
    axes.set_ylim(0, 20)
    return figure


@pytest.mark.slow
def test_the_same_picture_is_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save(bars(), tmp_path / "new" / f"{name}.png")
    assert (tmp_path / "new/one.png").read_bytes() == (tmp_path / "new/two.png").read_bytes()


@pytest.mark.slow
def test_the_file_says_nothing_of_when_or_by_what_it_was_made(tmp_path: Path) -> None:
    save(bars(), tmp_path / "bars.png")
    content, place, chunks = (tmp_path / "bars.png").read_bytes(), 8, []
    while place < len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        chunks.append(kind)
        place += 12 + length
    assert set(chunks) <= {b"IHDR", b"PLTE", b"IDAT", b"IEND"}


@pytest.mark.slow
def test_the_palette_moves_no_colour_that_anyone_sees(tmp_path: Path) -> None:
    save(bars(), tmp_path / "bars.png")
    with Image.open(tmp_path / "bars.png") as image:
        assert image.width == round(PAGE_WIDTH * DPI)
        found = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    for colour in COLOURS.values():
        wanted = np.array(mpl.colors.to_rgb(colour)) * 255
        assert np.abs(found - wanted).max(axis=1).min() <= 8


def test_drawing_leaves_the_settings_as_they_were() -> None:
    before = {name: mpl.rcParams[name] for name in STYLE}
    bars()
    assert {name: mpl.rcParams[name] for name in STYLE} == before


def test_names_have_their_colour_and_dash_by_alphabet() -> None:
    assert line_styles(["b", "a"]) == line_styles(["a", "b"])
    many = line_styles([str(number) for number in range(14)])
    assert len({tuple(style.items()) for style in many.values()}) == 14, "colours that begin again have other dashes"


def lab(linear: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear sRGB [n, 3]. A distance of 2 is barely visible."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(linear @ to_xyz.T / [0.9505, 1.0, 1.089]).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


# How dichromats see linear sRGB: Viénot, Brettel and Mollon (1999).
SEEN_BY = {
    "everybody": np.eye(3),
    "protanopes": np.array([[0.1124, 0.8876, 0.0], [0.1124, 0.8876, 0.0], [0.0040, -0.0040, 1.0]]),
    "deuteranopes": np.array([[0.2928, 0.7072, 0.0], [0.2928, 0.7072, 0.0], [-0.0223, 0.0223, 1.0]]),
}


@pytest.mark.parametrize("seen", SEEN_BY.values(), ids=SEEN_BY)
def test_the_emotions_are_told_apart_by_their_colours(seen: np.ndarray) -> None:
    linear = np.array([mpl.colors.to_rgb(colour) for colour in emotion_colours()]) ** 2.2
    found = lab(np.clip(linear @ seen.T, 0, 1))
    distances = np.linalg.norm(found[:, np.newaxis] - found, axis=2)
    assert distances[~np.eye(len(EMOTIONS), dtype=bool)].min() > 10
