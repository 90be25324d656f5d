"""Where and with what a result was made."""

import hashlib
import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path

PACKAGES = ("tensorflow", "keras", "numpy")


def versions():
    """Return the versions of Python and of the packages that decide a result, by name."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}}


def code_digest():
    """Return the SHA-256 of the running program and the modules of this package that it has imported by now."""
    modules = [
        module.__file__ for name, module in sys.modules.items() if name == "__main__" or name.startswith("ablation")
    ]
    digest = hashlib.sha256()
    for file in sorted(modules):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()


def git_revision():
    """Return the commit this code stands at, "-dirty" behind it where tracked files differ; None without git."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
