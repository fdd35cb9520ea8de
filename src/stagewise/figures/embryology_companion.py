"""The page beside figure 13: a map of tokens by their susceptibilities, over training."""

import pandas as pd

from stagewise.figures.companion import page

ABOUT = (
    "A point is a token that the model is to predict. Its place is that of its susceptibilities to "
    "all heads (two-chain estimates, each head's in standard deviations over tokens) on one UMAP "
    "of all steps of training, through which the slider goes. Point at one, or at the text below, "
    "to see what the model has read before it, and its susceptibility to each head. Click a class "
    "to hide it, a head to colour the text by it."
)


def draw(table: pd.DataFrame) -> str:
    """The page as HTML, from the part `companion`."""
    return page(
        table,
        title="Figure 13: tokens over training, by their susceptibilities to heads",
        about=ABOUT,
        axes=("UMAP 1", "UMAP 2"),
    )
