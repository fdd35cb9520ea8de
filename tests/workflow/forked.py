"""Snakemake's command line many times over, without starting Python anew each time."""

import os
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import snakemake.cli
from commands import Ended, environment


def snakemake_in_a_fork(folder: Path, *arguments: str, timeout: float = 300) -> Ended:
    """What `snakemake --cores 1 ...` in that folder ends with and prints.

    It runs in a fork of this process, which has Snakemake imported; our modules are read from the
    folder, as always. Status 124: it took longer than `timeout` seconds.
    """
    with tempfile.TemporaryFile("w+") as printed:
        child = os.fork()
        if child == 0:
            status = 70
            try:
                os.setsid()
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                for stream in (1, 2):
                    os.dup2(printed.fileno(), stream)
                os.chdir(folder)
                kept = environment()
                for name in set(os.environ) - set(kept):
                    del os.environ[name]
                os.environ.update(kept)
                sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
                sys.path[:] = [entry for entry in sys.path if not entry.endswith("/src")]
                for name in [name for name in sys.modules if name.split(".")[0] == "stagewise"]:
                    del sys.modules[name]
                warnings.resetwarnings()
                try:
                    snakemake.cli.main(["--cores", "1", *arguments])
                    status = 0
                except SystemExit as ended:
                    # A message is printed and means 1, as at the end of any Python program.
                    if isinstance(ended.code, str):
                        print(ended.code, file=sys.stderr)
                        status = 1
                    else:
                        status = int(ended.code or 0)
                except BaseException:
                    import traceback

                    traceback.print_exc()
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)
        status = _ended(child, timeout)
        printed.seek(0)
        return Ended(status, printed.read())


def _ended(child: int, timeout: float) -> int:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 124
