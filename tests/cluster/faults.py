"""Copies whose jobs can be made to fail."""

from pathlib import Path

from copies import Copy

LARGE = """
    if job.wildcards.variant == "large":
        ballast = bytearray(b"x") * 1_800_000_000
        time.sleep(4)
        del ballast
    output ="""
"""Takes more than the 2,000 MB of its variant, for long enough to be seen; and gives it back, for
memory is counted twice in the moment in which a process starts another."""
BROKEN = """
    if Path("faults/broken").exists() and job.wildcards.testbed == "polynomial":
        raise RuntimeError("a fault")
    found ="""
STUCK = """
        while any(Path("faults", part).exists() for part in self._path.parts):
            time.sleep(0.2)

    def remove"""
"""Goes no further once progress has been saved."""


def faulty(copy: Copy) -> Copy:
    """The copy with samplings that fail, each in its own way, as long as faults/ says so. All save
    their progress often, and the one that is stuck may take a minute."""

    def insert(file: str, before: str, fault: str) -> None:
        copy.edit(file, lambda code: code.replace(before, fault, 1))

    insert("src/stagewise/resume.py", "EVERY = 15.0", "EVERY = 0.0")
    insert("src/stagewise/resume.py", "\n    def remove", STUCK)
    insert(
        "scripts/sample_posterior.py", "from stagewise.step", "import time\n\nfrom stagewise.step"
    )
    insert("scripts/sample_posterior.py", "\n    output =", LARGE)
    insert(
        "scripts/estimate_llc.py",
        "from stagewise.step",
        "from pathlib import Path\n\nfrom stagewise.step",
    )
    insert("scripts/estimate_llc.py", "\n    found =", BROKEN)
    limit = '1 if wildcards.variant == "stuck" and Path("faults/stuck").exists() else 60'
    usual = 'growing(minutes("sample", 60))'
    insert("workflow/rules/sample.smk", usual, f"growing(lambda wildcards: {limit})")
    potentials = copy.configuration()["testbeds"]["polynomial"]
    for name in ("large", "stuck", "cancelled"):
        potentials[name] = potentials["valleys"] | {"memory_mb": 2000}
    copy.configure("testbeds", "polynomial", to=potentials)
    (copy.path / "faults").mkdir()
    return copy


def fault(copy: Copy, name: str) -> Path:
    """Switches a fault on."""
    flag = copy.path / "faults" / name
    flag.touch()
    return flag
