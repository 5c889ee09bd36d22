"""What all figures share: sizes, colours, degrees on axes, and saving.

Figures are built without pyplot. ``style()`` sets matplotlib's parameters only while one is built or saved; sizes
are also fixed on each axes, so that a figure saved outside it looks the same.
"""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from seisloom import __version__
from seisloom.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

P = ParamSpec("P")
R = TypeVar("R")

FORMATS = (".png", ".pdf", ".svg")
WIDTH_IN = 7.0
SMALL = 7.0
INK = "#222222"
ACCENT = "#c1440e"
MISSING = "#d9d9d9"
DIVERGING = "RdBu_r"
# viridis without its yellow end, which is lost on white paper.
SEQUENTIAL = ListedColormap(mpl.colormaps["viridis"](np.linspace(0.0, 0.87, 256)), "viridis_dark")
# Okabe & Ito (2008): told apart with any colour vision; ordered so that the first few differ most.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f3fbf", "#7a6a1c")

RC = {
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.linewidth": 0.7,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "legend.fontsize": SMALL + 0.5,
    "legend.frameon": False,
    "lines.linewidth": 0.8,
    "pdf.fonttype": 42,  # text stays text, as journals ask
    "svg.hashsalt": "seisloom",
    "path.simplify": True,
}
# matplotlib's parameters belong to the whole process; figures may be asked for from several threads.
_LOCK = threading.RLock()


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's parameters as figures here want them."""
    with _LOCK, mpl.rc_context(RC):
        yield


def styled(build: Callable[P, R]) -> Callable[P, R]:
    """Decorator: run a figure function inside :func:`style`."""

    @functools.wraps(build)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with style():
            return build(*args, **kwargs)

    return wrapper


def dress(ax: Axes) -> None:
    """Ticks as everywhere, fixed on the axes itself."""
    ax.tick_params(labelsize=SMALL + 0.5, length=3.0, width=0.7, color=INK, labelcolor=INK)


def check_target(path: str | Path) -> Path:
    """The path, if a figure can be written there; InputError names the formats or the missing folder."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: figures are written as {', '.join(FORMATS)}; give the file one of these endings")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it first")
    return path


def save(figure: Figure, path: str | Path, dpi: float = 200.0) -> Path:
    """Write a figure as .png, .pdf or .svg (by the ending); the same figure gives the same bytes."""
    path = check_target(path)
    try:
        path.write_bytes(render(figure, path.suffix.lower(), dpi))
    except OSError as error:
        raise InputError(f"{path}: cannot write the figure: {error}") from error
    return path


def render(figure: Figure, ending: str, dpi: float = 200.0, quick: bool = False) -> bytes:
    """A figure as the bytes of a file with one of FORMATS as its ending; ``quick`` makes .png files faster and larger."""
    stamps: dict[str, dict[str, Any]] = {
        ".png": {"Software": f"seisloom {__version__}"},
        ".pdf": {"Creator": f"seisloom {__version__}", "CreationDate": None},
        ".svg": {"Creator": f"seisloom {__version__}", "Date": None},
    }
    more: dict[str, Any] = {"pil_kwargs": {"compress_level": 1}} if quick and ending == ".png" else {}
    file = io.BytesIO()
    with style():
        figure.savefig(file, format=ending[1:], dpi=dpi, metadata=stamps[ending], **more)
    return file.getvalue()


def nice_step(span: float, about: int, steps: Sequence[float] = (1.0, 2.0, 5.0)) -> float:
    """A round step (times a power of ten) that divides ``span`` into at most about ``about`` parts."""
    raw = span / about
    power = 10.0 ** np.floor(np.log10(raw))
    return next((s * power for s in steps if s * power >= raw * (1 - 1e-9)), 10.0 * power)


def symmetric_limit(values: npt.ArrayLike, percentile: float = 99.7) -> float:
    """Colour limit of a diverging map centred at zero: a percentile of the magnitudes, never zero."""
    magnitude = np.abs(np.asarray(values, float))
    magnitude = magnitude[np.isfinite(magnitude)]
    limit = float(np.percentile(magnitude, percentile)) if magnitude.size else 0.0
    return limit or float(magnitude.max(initial=0.0)) or 1.0
