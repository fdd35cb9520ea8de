"""Tables on disk: CSV files, whole or not there."""

from pathlib import Path

import pandas as pd
from pandas.errors import EmptyDataError, ParserError

from stagewise.artifacts import ArtifactError, written_whole


def save(path: str | Path, table: pd.DataFrame) -> None:
    """Writes the table without its row labels, whole or not at all."""
    with written_whole(path) as temporary:
        table.to_csv(temporary, index=False)


def load(path: str | Path) -> pd.DataFrame:
    """The table of a file; ArtifactError, naming the file, if it is missing, empty or cut off."""
    path = Path(path)
    try:
        content = path.read_bytes()
        table = pd.read_csv(path)
    except (OSError, EmptyDataError, ParserError, UnicodeDecodeError) as error:
        raise ArtifactError(
            f"{path} is not a table ({str(error).strip()}). {_remedy(path)}"
        ) from error
    if not content.endswith(b"\n"):
        raise ArtifactError(f"{path} is cut off in its last line. {_remedy(path)}")
    if table.empty:
        raise ArtifactError(f"{path} has no rows. {_remedy(path)}")
    return table


def _remedy(path: Path) -> str:
    return f"Delete {path} and run snakemake again to rebuild it."
