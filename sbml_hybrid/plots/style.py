"""How the figures look: colours, axes, and labels that keep out of each other's way."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Told apart by people with any of the common colour-vision deficiencies (the first six: Okabe and Ito); black is the
# truth's.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6E4B00", "#5B2A86", "#785EF0", "#003F5C",
)  # fmt: skip
INK, PALE, GRID = "#222222", "#8A8A8A", "#E6E6E6"
NAIVE = {"persistence": "#6E6E6E", "series mean": "#949494"}
# The usual rivals keep their colour from one study to the next, by their name in lower case.
_FIXED = NAIVE | {
    name: COLOURS[i] for i, name in enumerate(("gru", "residual", "ridge", "mlp", "random forest", "hybrid"))
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
FONT = 9.0
_OURS = "sbml_hybrid"


class Panels(np.ndarray):
    """The axes of one figure: a NumPy array that Jupyter shows as the picture.

    The figure is not known to pyplot, so nothing has to be closed.
    """

    @property
    def ours(self) -> bool:
        """Whether the figure was made for these axes, rather than given."""
        return self.figure.get_label() == _OURS

    @property
    def figure(self) -> Figure:
        """The figure that the axes are in."""
        return self.flat[0].figure

    def save(self, path: str | os.PathLike, dpi: int = 150) -> Path:
        """Write the figure; the format follows the extension (png, svg, pdf). The same figure gives the same bytes."""
        path = Path(path)
        # Dates and random ids would make two runs of one study differ.
        undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(path.suffix.lower().lstrip("."), {})
        import matplotlib as mpl

        with mpl.rc_context({"svg.hashsalt": "sbml_hybrid"}):
            self.figure.savefig(path, dpi=dpi, metadata=undated)
        return path

    def _repr_png_(self) -> bytes | None:
        if self.figure.canvas.manager is not None:  # a figure of pyplot's, which shows it
            return None
        picture = io.BytesIO()
        self.figure.savefig(picture, format="png", dpi=110)
        return picture.getvalue()


def panels(
    rows: int, columns: int, axes: Axes | Iterable[Axes] | None = None, width: float = 3.4, height: float = 2.5, **share
) -> Panels:
    """Return dressed axes (row, column): new ones of `width` by `height` inches each, or those given."""
    from matplotlib.figure import Figure

    if axes is None:
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained", label=_OURS)
        axes = figure.subplots(rows, columns, squeeze=False, **share)
    given = np.empty(np.size(axes), dtype=object)
    given[:] = np.ravel(np.asarray(axes, dtype=object))
    if len(given) < rows * columns:
        raise ValueError(f"{rows * columns} axes are needed, got {len(given)}.")
    for one in given:
        dress(one)
    return given[: rows * columns].reshape(rows, columns).view(Panels)


def grid(count: int, axes: Axes | Iterable[Axes] | None = None, widest: int = 3) -> Panels:
    """Return `count` dressed axes, (count,), in rows of at most `widest`."""
    if axes is not None:
        return panels(1, count, axes)[0].view(Panels)
    columns = min(count, widest)
    if count == 4:
        columns = 2
    size = {"width": 4.8, "height": 3.2} if count == 1 else {}
    made = panels(math.ceil(count / columns), columns, **size).reshape(-1)
    for empty in made[count:]:
        empty.remove()
    return made[:count].view(Panels)


def dress(axes: Axes) -> None:
    """Give axes the look of the package."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(labelsize=FONT - 1, color=PALE, labelcolor=INK, length=3)
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(fontsize=FONT, color=INK)


def colours(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each forecaster: fixed for the usual ones; the others share what is left, by their names."""
    names = sorted(set(names))
    plain = {name: name.split(",")[0].lower() for name in names}  # "residual, wrong mechanism"
    found = {name: _FIXED[plain[name]] for name in names if plain[name] in _FIXED}
    others = [name for name in names if name not in found]
    left = [colour for colour in COLOURS if colour not in found.values()] or COLOURS
    return found | {name: left[i % len(left)] for i, name in enumerate(others)}


def markers(names: Iterable[str]) -> dict[str, str]:
    """Return a marker for each forecaster, which tells those apart whose colours look alike."""
    names = sorted(set(names) - set(NAIVE))
    return dict.fromkeys(NAIVE, ".") | {name: MARKERS[i % len(MARKERS)] for i, name in enumerate(names)}


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write each line's name beside its end, (x, y, name, colour), moved up or down until none covers another."""
    axes.figure.draw_without_rendering()  # the layout decides how much room there is
    height = axes.get_window_extent().height
    gap = 1.25 * FONT * axes.figure.dpi / 72 / height
    to_axes = axes.transData + axes.transAxes.inverted()
    at = np.clip([to_axes.transform((x, y)) for x, y, _, _ in ends], 0.0, 1.0)
    for (_, _, name, colour), end, place in zip(ends, at, spread(at[:, 1], gap), strict=True):
        axes.annotate(
            name,
            xy=tuple(end),
            xycoords="axes fraction",
            xytext=(1.05, place),
            textcoords="axes fraction",
            va="center",
            fontsize=FONT - 0.5,
            color=colour,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.6,
                "alpha": 0.6,
                "shrinkA": 1,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
        )


def spread(places: np.ndarray, gap: float) -> np.ndarray:
    """Move places as little as possible (least squares) until neighbours are `gap` apart, in 0 to 1 if they fit."""
    order = np.argsort(places, kind="stable")
    steps = gap * np.arange(len(places))
    # In units of "place minus its step" the neighbours only have to keep their order: isotonic regression.
    blocks: list[list[float]] = []  # [mean, count]
    for value in places[order] - steps:
        blocks.append([value, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            blocks[-1] = [
                (blocks[-1][0] * blocks[-1][1] + mean * count) / (blocks[-1][1] + count),
                blocks[-1][1] + count,
            ]
    free = np.repeat([mean for mean, _ in blocks], [int(count) for _, count in blocks])
    room = 1.0 - steps[-1] if len(places) else 0.0
    kept = np.clip(free, 0.0, room) if room >= 0 else np.full(len(free), room / 2)
    moved = np.empty(len(places))
    moved[order] = kept + steps
    return moved


def time_label(unit: str | None) -> str:
    """Return the label of a time axis."""
    return f"time ({unit})" if unit else "time"


def legend(made: Panels, entries: Sequence[tuple[str, dict, bool]], columns: int = 4) -> None:
    """Write one legend above the panels: the entries (words, look of the line, whether it is there) that are there."""
    from matplotlib.lines import Line2D

    shown = [(label, look) for label, look, there in entries if there]
    handles = [Line2D([], [], **look) for _, look in shown]
    look = {
        "frameon": False,
        "fontsize": FONT - 0.5,
        "labelcolor": INK,
        "handlelength": 1.6,
        "columnspacing": 1.4,
    }
    labels = [label for label, _ in shown]
    width, height = made.figure.get_size_inches()
    room = width
    if not made.ours:
        made.figure.draw_without_rendering()  # the layout decides how wide the axes are
        room = made.flat[0].get_window_extent().width / made.figure.dpi
    count, high = columns_that_fit(handles, labels, room, columns, **look)
    if made.ours:  # the panels keep their size
        made.figure.set_size_inches(width, height + high)
        made.figure.legend(handles, labels, loc="outside upper left", ncols=count, **look)
    else:  # in somebody else's figure we keep to the axes that we were given, and cover no data
        made.flat[0].legend(handles, labels, loc="lower left", bbox_to_anchor=(0, 1.02), ncols=count, **look)


def columns_that_fit(handles: list, labels: list[str], room: float, most: int, **look) -> tuple[int, float]:
    """Return in how many columns a legend fits into a width, and how high it then is; sizes in inches."""
    for count in range(min(most, len(labels)), 0, -1):
        wide, high = _legend_size(handles, labels, ncols=count, **look)
        if wide <= room:
            break
    return count, high


def _legend_size(handles: list, labels: list[str], **look) -> np.ndarray:
    """Width and height in inches."""
    from matplotlib.figure import Figure

    trial = Figure()
    written = trial.legend(handles, labels, **look)
    trial.draw_without_rendering()
    box = written.get_window_extent()
    return np.array([box.width, box.height]) / trial.dpi
