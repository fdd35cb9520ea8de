"""The colours of the patterns of tokens."""

from stagewise.figures.style import COLOURS, CONTROL, THEORY

PATTERNS = {
    "bigram": COLOURS[0],
    "unforeseen": CONTROL,
    "induction": COLOURS[1],
    "key": COLOURS[4],
    "rule": COLOURS[2],
    "opening": "#7fb8d8",
    "closing": COLOURS[3],
    "spacing": THEORY,
    "word": COLOURS[6],
}
