"""Files that are whole or absent, and the errors that name them."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path


class ArtifactError(Exception):
    """A file of the workflow is missing, damaged, or of another kind than was asked for."""


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends without an error.

    Readers never see a half-written file, and a kill leaves the earlier one as it was. A file has
    one writer, so the temporary name is always the same and what a kill leaves is overwritten.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise ArtifactError(
            f"cannot write {path}: {error.strerror or error}. "
            f"Check the permissions and the free space of {path.parent}."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def file_digest(path: str | Path) -> str:
    """SHA-256 of the bytes of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
