"""The page beside figure 4: tokens by the first two axes of their susceptibilities."""

import pandas as pd

from stagewise.figures.companion import page

ABOUT = (
    "A point is a token that the model is to predict; its place is that of its susceptibilities to "
    "all heads (restricted covariances, each head's in standard deviations over tokens) along "
    "their first two principal axes. Point at one, or at the text below, to see what the model has "
    "read before it, and what each head has to do with it: negative (blue) where the loss of the "
    "token rises with that of the head more than the average token's does, positive (red) where "
    "less. Click a class to hide it, a head to colour the text by it."
)


def draw(table: pd.DataFrame) -> str:
    """The page as HTML, from the part `companion`."""
    return page(
        table,
        title="Figure 4: susceptibilities of tokens to heads",
        about=ABOUT,
        axes=("first principal axis", "second principal axis"),
    )
