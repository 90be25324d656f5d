"""Fetch one large gzip file, in as many parts as it takes, from the first source that can give it."""

import os
import re
import time
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from ablation.errors import InputError
from ablation.files import held, sha256_of

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


class _Left(Exception):
    """A source is left for the next one; the message says why."""


class _Slow(_Left):
    """A source is left because it is slow, and may be asked again."""


class _Broken(Exception):
    """A connection ended before the file did; the message says how."""


class _Pace:
    """Holds one source to a minimum rate (kB/s), over windows of so many seconds."""

    def __init__(self, minimum_rate, window):
        self.minimum_rate = minimum_rate
        self.window = window
        self.bytes = 0
        self.since = time.monotonic()

    def count(self, size):
        """Add `size` bytes. Raises _Slow at the end of a window with too few."""
        self.bytes += size
        seconds = time.monotonic() - self.since
        if seconds < self.window:
            return
        rate = self.bytes / seconds / 1000
        if rate < self.minimum_rate:
            raise _Slow(f"slow, {rate:.0f} kB/s over {seconds:.0f} s where {self.minimum_rate:g} kB/s are asked for")
        self.bytes = 0
        self.since = time.monotonic()


def fetch(
    sources,
    sha256,
    output,
    minimum_rate,
    say,
    window=WINDOW,
    read_timeout=READ_TIMEOUT,
    backoff=BACKOFF,
):
    """Make `output` the gzip file whose SHA-256 is `sha256` (lower-case hexadecimal).

    The addresses in `sources` are tried in order. A source slower than `minimum_rate` (kB/s;
    0 asks for none) over `window` seconds is left for the next one, and asked again without
    that limit after the others. No byte for `read_timeout` seconds ends a connection; a busy
    server is asked again after `backoff` seconds, then twice as long, and so on.

    The bytes gather in `output` + ".part", which outlasts a failure or a kill; every request
    asks only for the rest. A file with another sum, an older `output` too, becomes `output` +
    ".wrong". A second process waits for the first. `say` is called with each line of progress; the bar goes to stderr.

    Raises InputError when no source gives the file, with each one's reason, and OSError with a
    file name when the disk fails.
    """
    output = Path(output)
    part = output.with_name(f"{output.name}.part")
    wrong = output.with_name(f"{output.name}.wrong")
    with held(output.with_name(f"{output.name}.lock"), output, say):
        _fetch(sources, sha256, output, part, wrong, minimum_rate, say, window, read_timeout, backoff)


def _fetch(sources, sha256, output, part, wrong, minimum_rate, say, window, read_timeout, backoff):
    """Do what `fetch` says, alone with its files."""
    if output.exists():
        found = sha256_of(output)
        if found == sha256:
            say(f"{output}: already there, with the right SHA-256")
            return
        output.replace(wrong)
        say(f"{output}: its SHA-256 is {found}, not {sha256}; moved to {wrong}")
    if part.exists() and sha256_of(part) == sha256:
        _finish(part, output, say)
        return

    session = _session(backoff)
    queue = [(source, minimum_rate) for source in sources]
    reasons = {}
    while queue:
        source, rate = queue.pop(0)
        say(f"{source}: asked for {output.name}" + (", however slow" if rate < minimum_rate else ""))
        try:
            mixed = _complete(session, source, part, _Pace(rate, window), read_timeout, say)
            found = sha256_of(part)
            if found == sha256:
                _finish(part, output, say)
                return
            part.replace(wrong)
            if mixed:
                queue.insert(0, (source, rate))
            raise _Left(f"its SHA-256 is {found}, not {sha256} (kept as {wrong}: delete it and run again)")
        except _Left as reason:
            if isinstance(reason, _Slow):
                queue.append((source, 0))
            reasons[source] = str(reason)
            say(f"{source}: left: {reason}")
    raise InputError(
        f"{output}: no source gave it: " + "; ".join(f"{source}: {reason}" for source, reason in reasons.items())
    )


def _finish(part, output, say):
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    part.replace(output)
    say(f"{output}: done, {output.stat().st_size:,} bytes, with the right SHA-256")


def _session(backoff):
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


def _complete(session, source, part, pace, read_timeout, say):
    """Bring `part` to its end from one source; return whether it holds bytes from before as well."""
    mixed = _size(part) > 0
    for _ in range(REQUESTS):
        held = _size(part)
        with _ask(session, source, held, read_timeout) as response:
            if response.status_code == 416 and held:  # nothing after what is held: the sum decides
                return mixed
            start, total = _extent(response, held)
            mixed = mixed and start > 0
            try:
                _save(response, part, start, total, pace, say)
                return mixed
            except _Broken as broken:
                reason = broken
        pace.count(0)
        if _size(part) <= held:
            break
        say(f"{source}: {reason}")
    raise _Left(str(reason))


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _ask(session, source, held, read_timeout):
    """Return the response, its body unread, to a request for the bytes after `held`."""
    headers = {"Accept-Encoding": "identity"}
    if held:
        headers["Range"] = f"bytes={held}-"
    try:
        return session.get(source, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, read_timeout))
    except (requests.RequestException, ValueError) as error:  # ValueError: redirected to what is no address
        raise _Left(_reason(error)) from None


def _extent(response, held):
    """Return the offset of the response's first byte and the file's size (None: not said)."""
    if response.status_code == 200:
        return 0, response.raw.length_remaining
    if response.status_code != 206:
        raise _Left(f"HTTP {response.status_code} {response.reason}")
    content_range = response.headers.get("Content-Range", "none")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range)
    if not match or int(match[1]) != held:
        raise _Left(f"asked for the bytes from {held}, it sent Content-Range {content_range}")
    return held, None if match[2] == "*" else int(match[2])


def _save(response, part, start, total, pace, say):
    """Write the response's body, whose first byte has the offset `start`, to `part`."""
    if start:
        head = b""
        say(f"{response.url}: resumed from {start:,} bytes")
    else:
        head = _read(response.raw.read, len(GZIP_MAGIC))
        if head != GZIP_MAGIC:
            kind = response.headers.get("Content-Type", "of no type")
            raise _Left(f"what it sent ({kind}) is not a gzip file, its first bytes are {head!r}")
        if _size(part):
            say(f"{response.url}: cannot resume, starts over")
    try:
        with (
            open(part, "ab" if start else "wb") as file,
            tqdm(desc=part.stem, initial=start, total=total, unit="B", unit_scale=True, mininterval=1) as bar,
        ):
            chunk = head or _read(response.raw.read1, CHUNK)
            while chunk:
                file.write(chunk)
                bar.update(len(chunk))
                pace.count(len(chunk))
                chunk = _read(response.raw.read1, CHUNK)
    except OSError as error:  # the disk's; those of the network are _Broken by now
        error.filename = str(part)
        raise
    if total is not None and _size(part) < total:
        raise _Broken(f"ended after {_size(part):,} of {total:,} bytes")


def _read(read, size):
    """Return up to `size` bytes of a body as they came over the wire; none at its end."""
    try:
        return read(size, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise _Broken(_reason(error)) from None


def _reason(error):
    """Return the innermost cause of an error of requests or urllib3, as one line."""
    cause = getattr(error.args[0], "reason", error)
    text = re.sub(r"^HTTPS?Connection(Pool)?\(.*?\): ", "", str(cause.args[0]))
    return " ".join(text.split())
