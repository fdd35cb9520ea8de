"""Rows of panels fill the width, whatever their counts."""

from matplotlib.figure import Figure

from stagewise.figures.style import panels


def test_rows_have_their_counts_and_equal_widths() -> None:
    axes = panels(Figure(), (3, 2))
    spans = [(a.get_subplotspec().rowspan, a.get_subplotspec().colspan) for a in axes]
    assert [(rows.start, columns.start, len(columns)) for rows, columns in spans] == [
        (0, 0, 2), (0, 2, 2), (0, 4, 2), (1, 0, 3), (1, 3, 3),
    ]  # fmt: skip
