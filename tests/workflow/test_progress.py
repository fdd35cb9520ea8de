"""A bar on a terminal, plain lines in the log."""

import io
import logging
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from stagewise import progress, provenance


class Screen(io.StringIO):
    """Standard error on a terminal."""

    def isatty(self) -> bool:
        return True


def test_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    report = progress.Progress(100, "sample here")
    report._bar.mininterval = 0
    for done in (50, 100):
        report(done, "4 chains")
    assert "sample here" in screen.getvalue()
    assert "50%" in screen.getvalue()
    assert "4 chains" in screen.getvalue()


def test_log_has_plain_lines(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    caplog.set_level(logging.INFO, logger="stagewise")
    report = progress.Progress(100, "sample here")
    report(10, "4 chains")
    assert caplog.messages == [], "lines are apart in time"
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    report(50, "4 chains")
    monkeypatch.setattr(progress, "LINE_EVERY", 1e9)
    report(100, "4 chains")
    report(100, "done")
    assert caplog.messages == [
        "sample here: 50 of 100 (50 %) in 0 s, 4 chains",
        "sample here: 100 of 100 (100 %) in 0 s, 4 chains",
    ]
    assert screen.getvalue() == ""


def test_rate_counts_what_this_process_did(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = iter([0.0, 0.0, 4.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    caplog.set_level(logging.INFO, logger="stagewise")
    report = progress.Progress(100, "train here", tokens=2048)
    report(80, "loss 2")  # resumed: 80 steps are another process's
    report(90, "loss 1")
    assert caplog.messages[-1] == "train here: 90 of 100 (90 %) in 4 s, 5,120 tokens/s, loss 1"


def test_provenance_of_a_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package == "stagewise":
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(provenance, "version", version)
    found = provenance.record({}, {}, {}, 0.0)["versions"]
    assert found["stagewise"] == "not installed"
    assert found["torch"] == "1.0"
