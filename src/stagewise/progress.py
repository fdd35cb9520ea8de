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

    def __init__(self, total: int, what: str, tokens: int | None = None) -> None:
        """With `tokens`, those of one step, it also says how many are seen in a second."""
        self._total, self._what, self._tokens = total, what, tokens
        self._first: tuple[int, float] | None = None
        self._started = self._logged = time.monotonic()
        self._finished = False
        self._bar = tqdm(
            total=total, desc=what, unit="step", leave=False, disable=not sys.stderr.isatty()
        )

    def __call__(self, done: int, note: str = "") -> None:
        """`done` of the total are finished."""
        now = time.monotonic()
        if self._tokens is not None:
            note = f"{self._tokens * self._pace(done, now):,.0f} tokens/s{note and ', '}{note}"
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)
        last = done >= self._total and not self._finished
        if last or now - self._logged >= LINE_EVERY:
            self._logged = now
            log.info(
                "%s: %d of %d (%.0f %%) in %.0f s%s",
                self._what,
                done,
                self._total,
                100 * done / max(1, self._total),
                now - self._started,
                f", {note}" if note else "",
            )
        if last:
            self._finished = True
            self._bar.close()

    def _pace(self, done: int, now: float) -> float:
        """Steps a second since the first report: what is resumed was done before it."""
        self._first = self._first or (done, now)
        before, then = self._first
        return (done - before) / (now - then) if now > then else 0.0


def silent(done: int, note: str = "") -> None:
    """Reports nothing."""
