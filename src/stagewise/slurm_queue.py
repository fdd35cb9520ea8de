"""Jobs of a killed launch: Slurm runs them on, and they would write the files of the next one."""

import getpass
import re
import shutil
import subprocess
from pathlib import Path

NAME = re.compile(r"(?:.*_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|stagewise\..*")
"""Names of jobs: profiles/slurm gives the number of their launch, profiles/cluster their rule."""

LOGS = ("logs/slurm", "logs/cluster")
"""Where the logs of submitted jobs go, by the profiles."""


def jobs_left(folder: Path) -> list[str]:
    """Numbers of this user's jobs that launches submitted from the folder and that are waiting
    or running. None where there is no Slurm, or none that answers within 20 s.

    Asked only where the logs of such jobs are: a Slurm that is down takes 9 s to say so.
    """
    if shutil.which("squeue") is None or not any((folder / logs).is_dir() for logs in LOGS):
        return []
    states = "PENDING,CONFIGURING,RUNNING,SUSPENDED"
    query = ["squeue", "--noheader", f"--user={getpass.getuser()}", f"--states={states}"]
    try:
        answer = subprocess.run(
            [*query, "--format=%A|%j|%Z"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return left_from(answer, folder)


def left_from(answer: str, folder: Path) -> list[str]:
    """The same from lines `number|name|working folder` of squeue."""
    found = []
    for line in answer.splitlines():
        number, name, place = line.split("|", maxsplit=2)
        if NAME.fullmatch(name) and Path(place).resolve() == folder.resolve():
            found.append(number)
    return sorted(set(found), key=int)
