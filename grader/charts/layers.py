"""Charts of one layer: where its output differs, and the window that makes one element of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from grader import window as windows
from grader.charts.svg import WIDTH, Text, length, svg, tag
from grader.model import Difference, Sizes, Window

LEVELS = (0.0, 0.2, 0.5, 0.8, 1.0)  # up to which share of the largest difference a cell is drawn at each level
SIDES = (0.12, 0.45, 0.62, 0.8, 0.96)  # of a square, as a share of its cell: levels differ by size and by colour
MOST_SHOWN = 16  # rows and columns of a plane: enough for two positions of an ordinary window
MOST_MADE = 10  # and of the output
LARGEST_CELL = 20.0


def difference(found: Difference, t: Text) -> Markup:
    """Where an output differs: a square for each cell, larger and darker the more, the worst one outlined."""
    rows, columns = len(found.tenths), len(found.tenths[0])
    left, top = 26.0, 18.0
    size = min(22.0, (WIDTH - left - 8) / columns, (WIDTH - top - 8) / rows)
    cells = [(i, j, _level(digit)) for i, row in enumerate(found.tenths) for j, digit in enumerate(row)]
    parts = [tag("rect", cls="ground", x=left, y=top, width=size * columns, height=size * rows)]
    for level, side in enumerate(SIDES):
        squares = [
            _square(left + size * (j + 0.5), top + size * (i + 0.5), size * side) for i, j, at in cells if at == level
        ]
        if squares:
            parts.append(tag("path", cls=f"gap g{level}", d="".join(squares)))
    row, column = (at // per for at, per in zip(_last_two(found.index), found.cell, strict=True))
    parts.append(tag("rect", cls="worst", x=left + size * column, y=top + size * row, width=size, height=size))
    parts.extend(_ends(found, left, top, size))
    count = sum(level > 0 for _, _, level in cells)
    desc = t("chart.difference_desc", count=count, all=rows * columns, place=place(found.index))
    return svg(top + size * rows + 6, t("chart.difference"), desc, parts)


def gap_marker(level: int) -> Markup:
    """The square of a level of `difference`, for a legend."""
    square = tag("path", cls=f"gap g{level}", d=_square(8, 8, 15 * SIDES[level]))
    return tag("svg", square, cls="marker", viewBox="0 0 16 16", aria_hidden="true")


def place(index: tuple[int, ...]) -> str:
    """An index as it is written: [3, 17, 0, 12]."""
    return f"[{', '.join(map(str, index))}]"


def window(sliding: Window, t: Text) -> Markup:
    """The window on the corner of its input, one step on, and the elements of the output that the two make."""
    made = windows.output_size(sliding)
    rows, columns = (_shown(sliding, side) for side in (0, 1))
    rows_made, columns_made = (min(size, MOST_MADE) for size in made) if made else (0, 0)
    cell = min(LARGEST_CELL, (WIDTH - 60) / (columns + columns_made), WIDTH / max(rows, rows_made))
    board = _Board(10.0, 34.0, rows, columns, cell)
    name = t("chart.input" if sliding.padding == (0, 0) else "chart.padded_input")
    parts = [tag("text", name, x=board.left, y=12)]
    parts += board.grid(sliding)
    parts += [board.elements(sliding, 0, "element"), board.frame(sliding, 0, "position")]
    if made is None:
        return svg(board.bottom + 8, t("chart.window"), _window_desc(sliding, t), parts)
    moved = made[1] > 1 and sliding.stride[1] + windows.extent(sliding, 1) <= board.columns
    if moved:
        parts.append(board.frame(sliding, sliding.stride[1], "position next"))
    left = max(board.right + 30, board.left + length(name) + 12)
    out = _Board(left, 34.0, rows_made, columns_made, cell)
    parts.append(tag("path", cls="arrow", d=f"M{board.right + 9:.1f} 44h11m-4 -4l4 4l-4 4"))
    parts.append(tag("text", t("chart.output"), x=out.left, y=12))
    parts.append(tag("path", cls="lattice", d=out.lines(made[0] > out.rows, made[1] > out.columns)))
    parts += _axis(out, made)
    parts.append(tag("path", cls="element", d=out.cell(0, 0)))
    parts.append(tag("rect", cls="position", x=out.left, y=out.top, width=cell, height=cell))
    if moved:
        parts.append(tag("rect", cls="position next", x=out.left + cell, y=out.top, width=cell, height=cell))
    return svg(max(board.bottom, out.bottom) + 14, t("chart.window"), _window_desc(sliding, t), parts)


@dataclass(frozen=True)
class _Board:
    """A corner of a plane, drawn cell by cell."""

    left: float
    top: float
    rows: int
    columns: int
    size: float

    @property
    def right(self) -> float:
        return self.left + self.size * self.columns

    @property
    def bottom(self) -> float:
        return self.top + self.size * self.rows

    def cell(self, row: int, column: int) -> str:
        """The path of one cell."""
        return _square(self.left + self.size * (column + 0.5), self.top + self.size * (row + 0.5), self.size - 1)

    def lines(self, more_below: bool, more_right: bool) -> str:
        """The path of the grid; where the plane goes on, so do its lines, a little."""
        right, bottom = self.right + 4 * more_right, self.bottom + 4 * more_below
        across = "".join(f"M{self.left:.1f} {self.top + self.size * i:.1f}H{right:.1f}" for i in range(self.rows + 1))
        return across + "".join(
            f"M{self.left + self.size * j:.1f} {self.top:.1f}V{bottom:.1f}" for j in range(self.columns + 1)
        )

    def grid(self, sliding: Window) -> list[Markup]:
        """The plane and its padding."""
        more = [windows.padded(sliding, side) > shown for side, shown in ((0, self.rows), (1, self.columns))]
        outside = [
            self.cell(i, j)
            for i in range(self.rows)
            for j in range(self.columns)
            if not (_inside(sliding, i, 0) and _inside(sliding, j, 1))
        ]
        parts = [tag("path", cls="padding", d="".join(outside))] if outside else []
        size = (windows.padded(sliding, 0), windows.padded(sliding, 1))
        return [*parts, tag("path", cls="lattice", d=self.lines(*more)), *_axis(self, size)]

    def elements(self, sliding: Window, column: int, cls: str) -> Markup:
        """The elements that one position of the window reads."""
        cells = [
            self.cell(i * sliding.dilation[0], column + j * sliding.dilation[1])
            for i in range(sliding.kernel[0])
            for j in range(sliding.kernel[1])
            if i * sliding.dilation[0] < self.rows and j * sliding.dilation[1] < self.columns
        ]
        return tag("path", cls=cls, d="".join(cells))

    def frame(self, sliding: Window, column: int, cls: str) -> Markup:
        """The outline of one position of the window."""
        height = self.size * min(windows.extent(sliding, 0), self.rows)
        width = self.size * min(windows.extent(sliding, 1), self.columns - column)
        return tag("rect", cls=cls, x=self.left + self.size * column, y=self.top, width=width, height=height)


def _axis(board: _Board, size: Sizes) -> Iterable[Markup]:
    """How many rows and columns there are in all."""
    yield tag("text", f"{size[0]} × {size[1]}", cls="tick", x=board.left, y=board.top - 7)  # noqa: RUF001  # times


def _shown(sliding: Window, side: int) -> int:
    """Rows or columns of the padded plane that are drawn."""
    return min(windows.padded(sliding, side), MOST_SHOWN)


def _inside(sliding: Window, at: int, side: int) -> bool:
    """Whether a row or column of the padded plane belongs to the plane itself."""
    return 0 <= at - sliding.padding[side] < (sliding.plane[side] if sliding.plane else 0)


def _window_desc(sliding: Window, t: Text) -> str:
    rows, columns = (", ".join(str(i * sliding.dilation[side]) for i in range(sliding.kernel[side])) for side in (0, 1))
    return t("chart.window_desc", rows=rows, columns=columns, stride=f"{sliding.stride[0]}, {sliding.stride[1]}")


def _level(digit: str) -> int:
    """The level of a cell: 0 where nothing differs."""
    return next(level for level, share in enumerate(LEVELS) if int(digit) / 10 <= share)


def _square(x: float, y: float, side: float) -> str:
    """The path of a square around a point."""
    return f"M{x - side / 2:.1f} {y - side / 2:.1f}h{side:.1f}v{side:.1f}h{-side:.1f}z"


def _last_two(index: tuple[int, ...]) -> tuple[int, int]:
    """Row and column of a place; what has no rows is one row."""
    row, column = (0, 0, *index)[-2:]
    return row, column


def _ends(found: Difference, left: float, top: float, size: float) -> Iterable[Markup]:
    """The first and the last row and column, by number."""
    sizes = (1, 1, *found.found_shape)[-2:]
    rows, columns = len(found.tenths), len(found.tenths[0])
    yield tag("text", "0", cls="tick", x=left + size / 2, y=top - 5, text_anchor="middle")
    yield tag("text", "0", cls="tick", x=left - 5, y=top + size / 2 + 4, text_anchor="end")
    if columns > 1:
        yield tag("text", str(sizes[1] - 1), cls="tick", x=left + size * columns, y=top - 5, text_anchor="end")
    if rows > 1:
        yield tag("text", str(sizes[0] - 1), cls="tick", x=left - 5, y=top + size * (rows - 0.5) + 4, text_anchor="end")
