"""Files that are whole or absent, and the errors that name them."""

import contextlib
import errno
import glob
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


class ArtifactError(Exception):
    """A file of the workflow is missing, damaged, or of another kind than was asked for."""


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends without an error.

    Readers never see a half-written file, and a kill leaves the earlier one as it was. Writers do
    not meet: a job that outlived its killed Snakemake may write the same file as the next one's,
    with the same content. The first to end takes away what others have begun, dead or alive.
    """
    path = Path(path)
    begun = f".{path.stem}.partial-"
    temporary = path.with_name(f"{begun}{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if temporary.exists() or not path.exists():
            os.replace(temporary, path)
        for left in [*path.parent.glob(f"{glob.escape(begun)}*{glob.escape(path.suffix)}")]:
            left.unlink(missing_ok=True)
    except Exception as error:
        reason = _reason(error)
        if reason is None:
            raise
        raise ArtifactError(
            f"cannot write {path}: {reason}. "
            f"Check the permissions and the free space of {path.parent}/."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_room(path: Path, size: int) -> None:
    """OSError if there is no room at the path for so many bytes, which are taken and given back.

    For writers that do not survive a full disk: HDF5 ends the process.
    """
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)


def _reason(error: Exception) -> str | None:
    """What the system had against writing; None for an error of another kind. Libraries of file
    formats wrap the system's errors into exceptions of their own."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
    return next((text for text in map(os.strerror, codes) if text in str(error)), None)


def file_digest(path: str | Path) -> str:
    """SHA-256 of the bytes of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
