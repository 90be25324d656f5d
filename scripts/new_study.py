"""Make a folder for a study of one's own, with a config of a few lines, that uses the workflow of this clone."""

import argparse
import shutil
from pathlib import Path

from ablation import errors

CLONE = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a new one")
    folder = parser.parse_args().folder.expanduser()
    if folder.exists() or folder.is_symlink():
        raise errors.InputError(f"{folder}: exists; name a new folder, as in make new STUDY=../my-study")
    (folder / "profiles/default").mkdir(parents=True)
    for path in (CLONE / "profiles/default").iterdir():  # without modes, which some filesystems can't set
        shutil.copyfile(path, folder / "profiles/default" / path.name)
    for path in sorted((CLONE / "template").iterdir()):
        text = path.read_text(encoding="utf-8").replace("{clone}", str(CLONE))
        (folder / path.name).write_text(text, encoding="utf-8")
    print(f"{folder}: edit config.yaml there; README.md has the commands")


if __name__ == "__main__":
    errors.run(main)
