"""Download one large gzip file, in as many parts as it takes, from the first source that provides it."""

import logging
import os
import re
import time
from collections.abc import Iterator
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
READ_TIMEOUT = 30.0  # seconds without a byte, after which a connection is closed
BUSY = (429, 502, 503, 504)  # HTTP statuses that may pass
RETRIES = 4  # of a busy server
BACKOFF = 0.5  # seconds; doubled from one retry of a busy server to the next
REQUESTS = 50  # to one source whose connection breaks, each of which must bring bytes

logger = logging.getLogger(__name__)


class _SourceFailed(Exception):
    """A source is given up for the next one; the message is the reason."""


class _TooSlow(_SourceFailed):
    """A source is given up because it is slow, and may be asked again."""


def fetch(sources: list[str], sha256: str, output: str | Path, minimum_rate: float) -> None:
    """Make `output` the gzip file whose SHA-256 is `sha256` (lowercase hexadecimal).

    The addresses in `sources` are tried in order. A source slower than `minimum_rate` (kB/s; 0 is no minimum) over
    WINDOW seconds is given up for the next one, and asked again without a minimum after the others. A busy server is
    asked again after BACKOFF seconds, then twice as long, and so on.

    The bytes gather in `output` + ".part", which outlasts a failure or a kill; every request asks only for the rest. A
    file with another sum, an older `output` too, becomes `output` + ".wrong". A second process waits for the first.
    Progress is logged; the bar goes to stderr.

    Raises InputError if no source provides the file, with each one's reason, and OSError with a file name if the disk
    fails.
    """
    output = Path(output)
    part, wrong = output.with_name(f"{output.name}.part"), output.with_name(f"{output.name}.wrong")
    with exclusive_lock(output.with_name(f".{output.name}.lock"), output):
        if output.exists():
            digest = file_digest(output)
            if digest == sha256:
                logger.info(f"{output}: already there, with the right SHA-256")
                return
            output.replace(wrong)
            logger.info(f"{output}: its SHA-256 is {digest}, not {sha256}; moved to {wrong}")
        session, queue = _session(), [(source, minimum_rate) for source in sources]
        reasons: dict[str, str] = {}
        while not (part.exists() and file_digest(part) == sha256):
            if not queue:
                failures = "; ".join(f"{source}: {reason}" for source, reason in reasons.items())
                raise InputError(f"{output}: all sources failed: {failures}")
            source, rate = queue.pop(0)
            logger.info(f"{source}: requesting {output.name}" + (", no minimum rate" if rate < minimum_rate else ""))
            try:
                mixed = _download_from(session, source, part, rate)
                digest = file_digest(part)
                if digest != sha256:
                    part.replace(wrong)
                    if mixed:
                        queue.insert(0, (source, rate))
                    raise _SourceFailed(
                        f"its SHA-256 is {digest}, not {sha256} (kept as {wrong}: delete it and run again)"
                    )
            except _SourceFailed as reason:
                if isinstance(reason, _TooSlow):
                    queue.append((source, 0))
                reasons[source] = str(reason)
                logger.info(f"{source}: giving up on it: {reason}")
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        part.replace(output)
        logger.info(f"{output}: done, {output.stat().st_size:,} bytes, with the right SHA-256")


def _session() -> requests.Session:
    retry = urllib3.Retry(
        total=RETRIES,
        connect=0,
        read=0,
        other=0,
        status_forcelist=BUSY,
        backoff_factor=BACKOFF,
        respect_retry_after_header=False,  # it may ask for hours
    )
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retry))
    return session


def _download_from(session: requests.Session, source: str, part: Path, minimum_rate: float) -> bool:
    """Bring `part` to its end from one source; return whether it also holds bytes from before.

    Raises _TooSlow at the end of a window with too few bytes, and _SourceFailed as `_chunks` does.
    """
    try:
        part.touch()
        mixed = start = part.stat().st_size
        received, since = 0, time.monotonic()
        with (
            open(part, "rb+") as file,
            tqdm(desc=part.stem, initial=start, unit="B", unit_scale=True, mininterval=1) as bar,
        ):
            for offset, bar.total, chunk in _chunks(session, source, start):
                if chunk:
                    file.truncate(file.seek(offset))
                    file.write(chunk)
                    bar.update(offset + len(chunk) - bar.n)
                    mixed = mixed and offset
                    received += len(chunk)
                seconds = time.monotonic() - since
                if seconds >= WINDOW:
                    rate = received / seconds / 1000
                    if rate < minimum_rate:
                        raise _TooSlow(
                            f"too slow, {rate:.0f} kB/s over {seconds:.0f} s (minimum {minimum_rate:g} kB/s)"
                        )
                    received, since = 0, time.monotonic()
    except OSError as error:  # the disk's; those of the network are _SourceFailed by now
        error.filename = str(part)
        raise
    return bool(mixed)


def _chunks(session: requests.Session, source: str, position: int) -> Iterator[tuple[int, int | None, bytes]]:
    """Yield the file of one source from the offset `position` on: each chunk's offset, the file's size, the chunk.

    The size is None where it is not announced. A source that can't resume starts over, at the offset 0. A chunk of no
    bytes is a connection that ended before the file did.

    Raises _SourceFailed for a source that doesn't answer with this file, or breaks too often.
    """
    for _ in range(REQUESTS):
        begin, headers = position, {"Accept-Encoding": "identity"}
        if begin:
            headers["Range"] = f"bytes={begin}-"
        try:
            with session.get(source, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)) as response:
                if response.status_code == 416 and begin:  # nothing follows these bytes: the sum decides
                    return
                position, total = _parse_range(response, begin)
                if position:
                    logger.info(f"{source}: resuming from {position:,} bytes")
                    chunk = response.raw.read1(CHUNK, decode_content=False)
                else:
                    chunk = response.raw.read(len(GZIP_MAGIC), decode_content=False)
                    if chunk != GZIP_MAGIC:
                        kind = response.headers.get("Content-Type", "of no type")
                        raise _SourceFailed(f"what it sent ({kind}) is not a gzip file, its first bytes are {chunk!r}")
                    if begin:
                        logger.info(f"{source}: cannot resume; starting over")
                while chunk:
                    yield position, total, chunk
                    position += len(chunk)
                    chunk = response.raw.read1(CHUNK, decode_content=False)
            if total is None or position >= total:
                return
            reason = f"ended after {position:,} of {total:,} bytes"
        except (requests.RequestException, ValueError) as error:  # ValueError: redirected to an invalid address
            raise _SourceFailed(_reason(error)) from None
        except urllib3.exceptions.HTTPError as error:
            reason = _reason(error)
        yield position, None, b""
        if position <= begin:
            break
        logger.info(f"{source}: {reason}")
    raise _SourceFailed(reason)


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


def _reason(error: Exception) -> str:
    """Return the innermost cause of an error of requests or urllib3, as one line."""
    cause = getattr(error.args[0], "reason", error)
    text = re.sub(r"^HTTPS?Connection(Pool)?\(.*?\): ", "", str(cause.args[0]))
    return " ".join(text.split())
