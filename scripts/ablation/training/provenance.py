"""With what versions and what code a result was made."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path

PACKAGES = ("tensorflow", "keras", "numpy")
ROOT = Path(__file__).resolve().parents[3]
CODE = ("Snakefile", "rules", "scripts")  # not the config, which users edit


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a result, by name."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}}


def git_revision() -> str | None:
    """Return the commit of this code, 40 hexadecimal digits, followed by "-dirty" where the code differs from it.

    None without git, or where the repository found is not this workflow's own.
    """
    try:
        if Path(_git("rev-parse", "--show-toplevel")) != ROOT:
            return None
        commit = _git("rev-parse", "--verify", "HEAD")
        return commit + ("-dirty" if _git("status", "--porcelain", "--untracked-files", "--", *CODE) else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
