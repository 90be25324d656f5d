"""Download one large gzip file, in as many parts as it takes, from the first source that provides it."""

import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from ablation.errors import InputError
from ablation.files import exclusive_lock, file_digest

GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 2**18  # bytes read at most at once
WINDOW = 20.0  # seconds over which a source's rate is measured
CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 30.0  # seconds without a byte
BACKOFF = 0.5  # seconds; doubled from one retry of a busy server to the next
BUSY = (429, 502, 503, 504)  # HTTP statuses that may pass
RETRIES = 4  # of a busy server
REQUESTS = 50  # to one source whose connection breaks, each of which must bring bytes
REDIRECTS = 10

logger = logging.getLogger(__name__)


class _SourceFailed(Exception):
    """A source is given up for the next one; the message is the reason."""


class _TooSlow(_SourceFailed):
    """A source is given up because it is slow, and may be asked again."""


class _ConnectionLost(Exception):
    """A connection ended before the file did; the message is how."""


class _RateGuard:
    """Holds one source to a minimum rate (kB/s), over windows of a given number of seconds."""

    def __init__(self, minimum_rate: float, window: float) -> None:
        self.minimum_rate = minimum_rate
        self.window = window
        self.bytes = 0
        self.since = time.monotonic()

    def count(self, size: int) -> None:
        """Add `size` bytes. Raises _TooSlow at the end of a window with too few."""
        self.bytes += size
        seconds = time.monotonic() - self.since
        if seconds < self.window:
            return
        rate = self.bytes / seconds / 1000
        if rate < self.minimum_rate:
            raise _TooSlow(f"too slow, {rate:.0f} kB/s over {seconds:.0f} s (minimum {self.minimum_rate:g} kB/s)")
        self.bytes = 0
        self.since = time.monotonic()


def fetch(
    sources: list[str],
    sha256: str,
    output: str | Path,
    minimum_rate: float,
    window: float = WINDOW,
    read_timeout: float = READ_TIMEOUT,
    backoff: float = BACKOFF,
) -> None:
    """Make `output` the gzip file whose SHA-256 is `sha256` (lowercase hexadecimal).

    The addresses in `sources` are tried in order. A source slower than `minimum_rate` (kB/s; 0 is no minimum) over
    `window` seconds is given up for the next one, and asked again without a minimum after the others. A connection
    without a byte for `read_timeout` seconds is closed; a busy server is asked again after `backoff` seconds, then
    twice as long, and so on.

    The bytes gather in `output` + ".part", which outlasts a failure or a kill; every request asks only for the rest. A
    file with another sum, an older `output` too, becomes `output` + ".wrong". A second process waits for the first.
    Progress is logged; the bar goes to stderr.

    Raises InputError if no source provides the file, with each one's reason, and OSError with a file name if the disk
    fails.
    """
    output = Path(output)
    with exclusive_lock(output.with_name(f".{output.name}.lock"), output):
        _fetch(sources, sha256, output, minimum_rate, window, read_timeout, backoff)


def _fetch(
    sources: list[str],
    sha256: str,
    output: Path,
    minimum_rate: float,
    window: float,
    read_timeout: float,
    backoff: float,
) -> None:
    """Do the work of `fetch`, with its files locked."""
    part = output.with_name(f"{output.name}.part")
    wrong = output.with_name(f"{output.name}.wrong")
    if output.exists():
        digest = file_digest(output)
        if digest == sha256:
            logger.info(f"{output}: already there, with the right SHA-256")
            return
        output.replace(wrong)
        logger.info(f"{output}: its SHA-256 is {digest}, not {sha256}; moved to {wrong}")
    if _has_digest(part, sha256):
        _finish(part, output)
        return

    session = _session(backoff)
    queue = [(source, minimum_rate) for source in sources]
    reasons = {}
    while queue:
        source, rate = queue.pop(0)
        logger.info(f"{source}: requesting {output.name}" + (", no minimum rate" if rate < minimum_rate else ""))
        try:
            mixed = _download_from(session, source, part, _RateGuard(rate, window), read_timeout)
            digest = file_digest(part)
            if digest != sha256:
                part.replace(wrong)
                if mixed:
                    queue.insert(0, (source, rate))
                raise _SourceFailed(f"its SHA-256 is {digest}, not {sha256} (kept as {wrong}: delete it and run again)")
        except _SourceFailed as reason:
            if not _has_digest(part, sha256):  # a server may announce more bytes than there are
                if isinstance(reason, _TooSlow):
                    queue.append((source, 0))
                reasons[source] = str(reason)
                logger.info(f"{source}: giving up on it: {reason}")
                continue
        _finish(part, output)
        return
    raise InputError(
        f"{output}: all sources failed: " + "; ".join(f"{source}: {reason}" for source, reason in reasons.items())
    )


def _has_digest(path: Path, sha256: str) -> bool:
    return path.exists() and file_digest(path) == sha256


def _finish(part: Path, output: Path) -> None:
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    part.replace(output)
    logger.info(f"{output}: done, {output.stat().st_size:,} bytes, with the right SHA-256")


def _session(backoff: float) -> requests.Session:
    retry = urllib3.Retry(
        total=RETRIES,
        connect=0,
        read=0,
        other=0,
        status_forcelist=BUSY,
        backoff_factor=backoff,
        respect_retry_after_header=False,  # it may ask for hours
        raise_on_status=False,
    )
    session = requests.Session()
    session.max_redirects = REDIRECTS
    for scheme in ("http://", "https://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retry))
    return session


def _download_from(session: requests.Session, source: str, part: Path, guard: _RateGuard, read_timeout: float) -> bool:
    """Bring `part` to its end from one source; return whether it also holds bytes from before."""
    mixed = _size(part) > 0
    for _ in range(REQUESTS):
        size = _size(part)
        with _request(session, source, size, read_timeout) as response:
            if response.status_code == 416 and size:  # nothing follows these bytes: the sum decides
                return mixed
            start, total = _parse_range(response, size)
            mixed = mixed and start > 0
            try:
                _save(response, part, start, total, guard)
                return mixed
            except _ConnectionLost as lost:
                reason = str(lost)
        guard.count(0)
        if _size(part) <= size:
            break
        logger.info(f"{source}: {reason}")
    raise _SourceFailed(reason)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _request(session: requests.Session, source: str, start: int, read_timeout: float) -> requests.Response:
    """Return the response, its body unread, to a request for the bytes from the offset `start`."""
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        return session.get(source, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, read_timeout))
    except (requests.RequestException, ValueError) as error:  # ValueError: redirected to an invalid address
        raise _SourceFailed(_reason(error)) from None


def _parse_range(response: requests.Response, requested: int) -> tuple[int, int | None]:
    """Return the offset of the response's first byte and the file's size (None: not announced)."""
    if response.status_code == 200:
        return 0, response.raw.length_remaining
    if response.status_code != 206:
        raise _SourceFailed(f"HTTP {response.status_code} {response.reason}")
    content_range = response.headers.get("Content-Range", "none")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range)
    if not match or int(match[1]) != requested:
        raise _SourceFailed(f"requested the bytes from {requested}, it sent Content-Range {content_range}")
    return requested, None if match[2] == "*" else int(match[2])


def _save(response: requests.Response, part: Path, start: int, total: int | None, guard: _RateGuard) -> None:
    """Write the response's body, whose first byte has the offset `start`, to `part`."""
    if start:
        head = b""
        logger.info(f"{response.url}: resuming from {start:,} bytes")
    else:
        head = _read(response.raw.read, len(GZIP_MAGIC))
        if head != GZIP_MAGIC:
            kind = response.headers.get("Content-Type", "of no type")
            raise _SourceFailed(f"what it sent ({kind}) is not a gzip file, its first bytes are {head!r}")
        if _size(part):
            logger.info(f"{response.url}: cannot resume; starting over")
    try:
        with (
            open(part, "ab" if start else "wb") as file,
            tqdm(desc=part.stem, initial=start, total=total, unit="B", unit_scale=True, mininterval=1) as bar,
        ):
            chunk = head or _read(response.raw.read1, CHUNK)
            while chunk:
                file.write(chunk)
                bar.update(len(chunk))
                guard.count(len(chunk))
                chunk = _read(response.raw.read1, CHUNK)
    except OSError as error:  # the disk's; those of the network are _ConnectionLost by now
        error.filename = str(part)
        raise
    if total is not None and _size(part) < total:
        raise _ConnectionLost(f"ended after {_size(part):,} of {total:,} bytes")


def _read(read: Callable[..., bytes], size: int) -> bytes:
    """Return up to `size` bytes of a body as they came over the wire; none at its end."""
    try:
        return read(size, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise _ConnectionLost(_reason(error)) from None


def _reason(error: Exception) -> str:
    """Return the innermost cause of an error of requests or urllib3, as one line."""
    cause = getattr(error.args[0], "reason", error)
    text = re.sub(r"^HTTPS?Connection(Pool)?\(.*?\): ", "", str(cause.args[0]))
    return " ".join(text.split())
