"""A picture of two proteins compared: both as bars, what is aligned as bands between them, and the lDDT along the first."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

from photophore.comparison import Comparison
from photophore.errors import PluginError
from photophore.mutants import changed_stretches, mutated_positions

#: Least lDDT of each class, its colour and its name; the colours are those in which predicted structures are shown.
CLASSES = (
    (0.9, "#0053d6", "0.9 and above"),
    (0.7, "#65cbf3", "0.7 to 0.9"),
    (0.5, "#ffdb13", "0.5 to 0.7"),
    (-np.inf, "#ff7d45", "below 0.5"),
)
_GREY, _DARK, _RED = "#d9d9d9", "#333333", "#b2182b"
#: Mutations more than these are marked without their names.
_NAMED = 12
_DOTS = 200


def picture(each: Comparison, kind: str, *, mutant: bool = False) -> bytes:
    """Return the picture as ``kind``: png, svg or pdf; `PluginError` where matplotlib is missing.

    With ``mutant`` the mutated residues are marked, and the stretches that change.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise PluginError(
            f"pictures need matplotlib ({error.name} is missing); run: pip install 'photophore[plot]', or give --plot none"
        ) from error
    settings: Any = {"svg.hashsalt": "photophore", "svg.fonttype": "none", "font.size": 11, "axes.unicode_minus": False}
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Glyph", category=UserWarning
        )  # a name in a script that has no font here
        figure = Figure(figsize=(11, 5.4), layout="constrained")
        FigureCanvasAgg(figure)
        bars, profile = figure.subplots(2, 1, height_ratios=(2, 3))
        figure.suptitle(f"{_short(each.one)} and {_short(each.other)}", fontsize=15)
        bars.set_title(_told(each), fontsize=11)
        _draw_bars(bars, each)
        _draw_profile(profile, each, mutant=mutant)
        stream = io.BytesIO()
        date = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
        figure.savefig(stream, format=kind, dpi=_DOTS, metadata=date)
    return stream.getvalue()


def colour_of(lddt: float) -> str:
    """Return the colour of the class of an lDDT."""
    return next(colour for least, colour, _ in CLASSES if lddt >= least)


def _told(each: Comparison) -> str:
    """Return the scores in a line."""
    scores = f"TM-score {each.tm_score:.2f} by {_short(each.one)}, {each.tm_score_other:.2f} by {_short(each.other)}"
    aligned = len(each.pairs)
    lddt = f"lDDT {float(each.lddt.mean()):.2f} over {aligned} aligned residues" if aligned else "nothing aligns"
    return f"{scores}; {lddt}; predicted from sequence"


def _draw_bars(axes: Any, each: Comparison) -> None:
    """Draw both proteins, and the aligned blocks between them in the colours of their lDDT."""
    from matplotlib.collections import PolyCollection

    lengths = len(each.one_sequence), len(each.other_sequence)
    for y, (name, length) in zip((1.0, 0.0), zip((each.one, each.other), lengths, strict=True), strict=True):
        axes.barh(y, length, height=0.16, left=0.0, color=_GREY, edgecolor=_DARK, linewidth=0.8)
        axes.text(-0.01 * max(lengths), y, _short(name), ha="right", va="center")
        axes.text(length + 0.008 * max(lengths), y, str(length), ha="left", va="center", color=_DARK, fontsize=9)
    bands, colours = [], []
    for start, stop in _runs(each):
        (i, j), (i_end, j_end) = each.pairs[start].tolist(), (each.pairs[stop - 1] + 1).tolist()
        colours.append(colour_of(float(each.lddt[start])))
        bands.append([(i, 0.92), (i_end, 0.92), (j_end, 0.08), (j, 0.08)])
    axes.add_collection(PolyCollection(bands, facecolors=colours, edgecolors="none", alpha=0.75))
    axes.set_xlim(-0.02 * max(lengths), 1.05 * max(lengths))
    axes.set_ylim(-0.25, 1.25)
    axes.axis("off")


def _draw_profile(axes: Any, each: Comparison, *, mutant: bool) -> None:
    """Draw the lDDT along the first protein; residues that are not aligned stay grey."""
    from matplotlib.collections import PolyCollection
    from matplotlib.patches import Patch

    length = len(each.one_sequence)
    least = 0.0
    if mutant and len(each.lddt):
        least = max(0.0, np.floor(10 * float(each.lddt.min()) - 1) / 10)  # mutants differ little: look closer
    axes.axhspan(least, least + 0.015 * (1 - least), color=_GREY, zorder=0)
    left, tops = each.pairs[:, 0] + 0.5, np.clip(each.lddt, least, 1.0)
    floor = np.full_like(tops, least)
    corners = [(left, floor), (left, tops), (left + 1.0, tops), (left + 1.0, floor)]
    columns = np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)  # (aligned, 4, 2)
    colours = [colour_of(value) for value in each.lddt.tolist()]
    axes.add_collection(PolyCollection(list(columns), facecolors=colours, edgecolors=colours, linewidths=0.2))
    handles = [Patch(color=colour, label=name) for _, colour, name in CLASSES]
    handles.append(Patch(color=_GREY, label="not aligned"))
    if mutant:
        _mark_mutations(axes, each, least)
        handles.append(Patch(facecolor="none", edgecolor=_RED, hatch="///", label="changed"))
    axes.set_xlim(0.5, length + 0.5)
    axes.set_ylim(least, 1.0 if not mutant else 1.0 + 0.12 * (1.0 - least))
    axes.set_xlabel(f"residue of {_short(each.one)}")
    axes.set_ylabel("predicted lDDT")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(handles=handles, ncols=len(handles), loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)


def _mark_mutations(axes: Any, each: Comparison, least: float) -> None:
    """Mark mutated residues by lines, and stretches that change by hatching."""
    for start, stop, _ in changed_stretches(each):
        axes.bar(
            [(start + stop + 1) / 2], [1.0 - least], bottom=least, width=stop - start,
            facecolor="none", edgecolor=_RED, hatch="///", alpha=0.6, linewidth=0.0,
        )  # fmt: skip
    partner = dict(each.pairs.tolist())
    mutated = mutated_positions(each)
    for place in mutated:
        axes.vlines(place + 1, least, 1.0, color=_RED, linewidth=1.2)
        if len(mutated) <= _NAMED:
            name = f"{each.one_sequence[place]}{place + 1}{each.other_sequence[partner[place]]}"
            axes.text(place + 1, 1.0 + 0.02 * (1.0 - least), name, color=_RED, ha="center", va="bottom", fontsize=9)


def _runs(each: Comparison) -> list[tuple[int, int]]:
    """Return runs of pairs without a gap between them and of one colour, ``(start, stop)``."""
    if not len(each.pairs):
        return []
    colours = np.array([colour_of(value) for value in each.lddt.tolist()])
    breaks = np.flatnonzero((np.diff(each.pairs, axis=0) != 1).any(axis=1) | (colours[1:] != colours[:-1])) + 1
    edges = [0, *breaks.tolist(), len(each.pairs)]
    return [(start, edges[place + 1]) for place, start in enumerate(edges[:-1])]


def _short(name: str) -> str:
    """Return a name that has room, and in which matplotlib sees no formula."""
    return (name if len(name) <= 28 else f"{name[:25]}...").replace("$", r"\$")
