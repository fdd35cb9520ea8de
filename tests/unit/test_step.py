"""What importing the frame of a workflow step does to the process."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
import stagewise.step
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def use():
    kept = [np.ones(2**17) for _ in range(40)]  # 256 pages each, let go together
for _ in range(3):
    use()
before = faults()
for _ in range(20):
    use()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's allocator")
def test_freed_memory_is_kept() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True)
    assert int(done.stdout) < 20 * 40 * 256 / 10, done.stderr  # not one for each page
