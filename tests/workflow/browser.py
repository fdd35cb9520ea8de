"""A headless browser for tests of pages: what is drawn, loaded and said."""

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)


class Browser:
    """A headless browser that is spoken to through a pipe, and one page of it."""

    def __init__(self, folder: Path) -> None:
        # Ends above 9, as the browser's own are to be 3 and 4.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for _ in range(2) for end in self._pipe()]
        its_input, self._output, self._input, its_output = ends
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        self._process = os.posix_spawn(
            BROWSER,
            [BROWSER, *options, f"--user-data-dir={folder}", "--window-size=1200,1000"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, its_input, 3),
                (os.POSIX_SPAWN_DUP2, its_output, 4),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setpgroup=0,
        )
        os.close(its_input)
        os.close(its_output)
        self._number, self._unread, self._session = 0, b"", ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Network", "Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    @staticmethod
    def _pipe() -> tuple[int, int]:
        return os.pipe()

    def call(self, method: str, **parameters: Any) -> Any:
        """What a command of the DevTools protocol returns; events on the way are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._output, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._input], [], [], 30)
            assert ready, "the browser does not answer"
            part = os.read(self._input, 1 << 20)
            assert part, "the browser has gone"
            self._unread += part
        line, self._unread = self._unread.split(b"\0", 1)
        found: dict[str, Any] = json.loads(line)
        return found

    def value(self, expression: str, *, frame: bool = False) -> Any:
        """Of a JavaScript expression; in the frame that was opened last, if asked."""
        where = {"contextId": self._frame()} if frame else {}
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, **where)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def _frame(self) -> int:
        tree = self.call("Page.getFrameTree")["frameTree"]
        inner = tree["childFrames"][-1]["frame"]["id"]
        made: int = self.call("Page.createIsolatedWorld", frameId=inner)["executionContextId"]
        return made

    def wait_for(self, expression: str, *, frame: bool = False) -> None:
        until = time.monotonic() + 30
        while not self.value(expression, frame=frame):
            assert time.monotonic() < until, expression
            time.sleep(0.05)

    def of(self, *methods: str) -> list[dict[str, Any]]:
        """Parameters of the events of these kinds so far."""
        self.value("1")
        return [event["params"] for event in self.events if event.get("method") in methods]

    def quit(self) -> None:
        os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._input)
        os.close(self._output)


@contextlib.contextmanager
def opened(page: Path, ready: str, profile: Path) -> Iterator[Browser]:
    """A browser with the page open and `ready`, an expression, true; skips where there is none."""
    if not BROWSER:
        pytest.skip("no chromium, chromium-browser or google-chrome on PATH")
    found = Browser(profile)
    try:
        found.call("Page.navigate", url=page.as_uri())
        found.wait_for(ready)
        yield found
    finally:
        found.quit()


def assert_alone(browser: Browser, page: Path) -> None:
    """Nothing was loaded but the page itself, and nothing failed; the policy of a page that has
    one would say so if something had been asked for."""
    urls = [event["request"]["url"] for event in browser.of("Network.requestWillBeSent")]
    elsewhere = {url for url in urls if not url.startswith(("data:", "blob:"))}
    assert elsewhere == {page.as_uri()}
    assert browser.of("Network.loadingFailed") == []
    assert browser.of("Runtime.exceptionThrown") == []
    told = [event["entry"] for event in browser.of("Log.entryAdded")]
    assert [entry["text"] for entry in told if entry["level"] == "error"] == []
    said = browser.of("Runtime.consoleAPICalled")
    assert [event["args"] for event in said if event["type"] in ("error", "assert")] == []
