"""Progress of long work: a bar on a terminal, plain lines in a log file."""

import logging
import sys
import time
from collections.abc import Callable

from tqdm import tqdm

log = logging.getLogger("stagewise")

LINE_EVERY = 20.0
"""Seconds between two lines in a log file."""

Report = Callable[[int, str], None]
"""Report(done, note): `done` of the total are finished."""


class Progress:
    """Counts up to `total`; shows a bar where standard error is a terminal, and always logs."""

    def __init__(self, total: int, what: str) -> None:
        self._total, self._what = total, what
        self._started = self._logged = time.monotonic()
        self._bar = tqdm(
            total=total, desc=what, unit="step", leave=False, disable=not sys.stderr.isatty()
        )

    def __call__(self, done: int, note: str = "") -> None:
        """`done` of the total are finished."""
        self._bar.n = done
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(0)
        now = time.monotonic()
        if done >= self._total or now - self._logged >= LINE_EVERY:
            self._logged = now
            elapsed = now - self._started
            log.info(
                "%s: %d of %d (%.0f %%) in %.0f s%s",
                self._what,
                done,
                self._total,
                100 * done / max(1, self._total),
                elapsed,
                f", {note}" if note else "",
            )
        if done >= self._total:
            self._bar.close()


def silent(done: int, note: str = "") -> None:
    """Reports nothing."""
