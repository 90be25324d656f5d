"""The download, against a local server that misbehaves on purpose."""

import hashlib
import os
import random
import re
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ablation.data import download
from ablation.errors import InputError

PROGRAM = Path(__file__).parents[1] / "scripts" / "download.py"
DATA = b"\x1f\x8b" + random.Random(0).randbytes(2_000_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
OTHER = DATA[:-1] + bytes([DATA[-1] ^ 1])


class Handler(BaseHTTPRequestHandler):
    """Notes the path and the Range of each request, then does what the server's plan says for the path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        steps = self.server.plan[self.path]
        self.server.log.append((self.path, self.headers.get("Range")))
        assert self.headers["Accept-Encoding"] == "identity"
        try:
            (steps.pop(0) if len(steps) > 1 else steps[0])(self)
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *_):
        pass


def begin(handler, data, ranges=True):
    """Send the head of an answer that has `data`, or the range of it that was asked for; return the body."""
    asked = handler.headers.get("Range")
    start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and ranges else 0
    if start >= len(data):
        answer(416)(handler)
        return b""
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Length", str(len(data) - start))
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
    handler.end_headers()
    return data[start:]


# What a server can do with one request.


def good(handler):
    handler.wfile.write(begin(handler, DATA))


def other(handler):
    handler.wfile.write(begin(handler, OTHER))


def without_ranges(handler):
    handler.wfile.write(begin(handler, DATA, ranges=False))


def answer(status, body=b"", **headers):
    def step(handler):
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return step


portal = answer(200, b"<html>Please log in</html>", Content_Type="text/html")
misplaced = answer(206, DATA[7:], Content_Range=f"bytes 7-{len(DATA) - 1}/{len(DATA)}")


def ending_after(size, reset=False, ranges=True):
    def step(handler):
        handler.wfile.write(begin(handler, DATA, ranges)[:size])
        handler.close_connection = True
        if reset:
            time.sleep(0.2)  # let the client read first: a reset drops what it hasn't read
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return step


def announcing_more(handler):
    """Announce 1,000 bytes that the file doesn't have, whatever is asked for."""
    start = int(re.search(r"\d+", handler.headers.get("Range", "0"))[0])
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Length", str(len(DATA) + 1000 - start))
    handler.send_header("Content-Range", f"bytes {start}-{len(DATA) + 999}/{len(DATA) + 1000}")
    handler.end_headers()
    handler.wfile.write(DATA[start:])
    handler.close_connection = True


def announcing(length, size=None):
    """Send the file, or `size` bytes of it, under a Content-Length of another size, of no sense, or None at all."""

    def step(handler):
        handler.send_response(200)
        if length is not None:
            handler.send_header("Content-Length", length)
        handler.end_headers()
        handler.wfile.write(DATA[:size])
        handler.close_connection = True

    return step


def chunked(*pieces, whole):
    def step(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n" if whole else b"")
        handler.close_connection = True

    return step


def stalling_after(size):
    def step(handler):
        handler.wfile.write(begin(handler, DATA)[:size])
        handler.server.closing.wait(30)
        handler.close_connection = True

    return step


def slow(rate):
    """Serve `rate` kB/s."""

    def step(handler):
        body = begin(handler, DATA)
        for start in range(0, len(body), rate * 50):
            handler.wfile.write(body[start : start + rate * 50])
            time.sleep(0.05)

    return step


def piecemeal(handler):
    """Give no more than 900 kB at a time, as a server may."""
    start = int(re.search(r"\d+", handler.headers.get("Range", "0"))[0])
    end = min(start + 900_000, len(DATA))
    answer(206, DATA[start:end], Content_Range=f"bytes {start}-{end - 1}/{len(DATA)}")(handler)


@pytest.fixture
def serve():
    """Start a server: serve(a=[step, ...], ...) gives the address of each, and the last step repeats."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.plan, server.log, server.closing = {}, [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()

    def plan(**steps):
        server.plan.update({f"/{name}": list(does) for name, does in steps.items()})
        return [f"http://127.0.0.1:{server.server_port}/{name}" for name in steps]

    plan.log = server.log
    yield plan
    server.closing.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture(autouse=True)
def progress(caplog):
    caplog.set_level("INFO", logger="ablation")


@pytest.fixture
def output(tmp_path):
    return tmp_path / "data" / "archive.tar.gz"


def beside(output, suffix):
    return output.with_name(output.name + suffix)


def hold(path, data):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def command(sources, *outputs, minimum_rate=0):
    options = [
        "--sha256",
        *[SHA256] * len(outputs),
        "--minimum-rate",
        str(minimum_rate),
        "--output",
        *map(str, outputs),
    ]
    return [sys.executable, str(PROGRAM), "--sources", *sources, *options]


def run(sources, *outputs, **options):
    return subprocess.run(
        command(sources, *outputs), check=False, capture_output=True, text=True, timeout=60, **options
    )


def assert_downloaded(done, output):
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() == DATA
    assert not beside(output, ".part").exists()


def error_of(done):
    """Return the error of a run that failed as it should: exit code 1, one line, no traceback."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert errors == [done.stderr.splitlines()[-1]]
    return errors[0]


def test_plain(serve, output):
    done = run(serve(a=[good], b=[good]), output)
    assert_downloaded(done, output)
    assert serve.log == [("/a", None)]
    assert "done, 2,000,002 bytes" in done.stdout
    assert "100%" in done.stderr
    assert "B/s" in done.stderr
    assert sorted(os.listdir(output.parent)) == [f".{output.name}.lock", output.name]


def test_several_files_come_from_one_folder_each_from_the_first_source_that_has_it(serve, output):
    first, second = output.with_name("one.gz"), output.with_name("two.gz")
    sources = serve(**{"a/one.gz": [good], "a/two.gz": [answer(404)], "b/two.gz": [good]})
    folders = [sources[0].removesuffix("one.gz"), sources[2].removesuffix("two.gz")]
    done = run(folders, first, second)
    assert_downloaded(done, first)
    assert_downloaded(done, second)
    assert [path for path, _ in serve.log] == ["/a/one.gz", "/a/two.gz", "/b/two.gz"]


def test_resumes_what_a_killed_run_left(serve, output):
    sources = serve(a=[stalling_after(1_500_000), good])
    part = beside(output, ".part")
    killed = subprocess.Popen(command(sources, output), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not part.exists() or part.stat().st_size < 1_000_000:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    held = part.stat().st_size

    done = run(sources, output)
    assert_downloaded(done, output)
    assert serve.log == [("/a", None), ("/a", f"bytes={held}-")]
    assert f"resuming from {held:,} bytes" in done.stdout


def test_a_kill_between_the_last_byte_and_the_rename_costs_no_request(serve, output):
    hold(beside(output, ".part"), DATA)
    assert_downloaded(run(serve(a=[good]), output), output)
    assert serve.log == []


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (answer(404), "HTTP 404 Not Found"),
        (answer(416), "HTTP 416 "),
        (answer(302, Location="/a"), "Exceeded 30 redirects."),
        (answer(302, Location="http://[no"), "Invalid IPv6 URL"),
        (portal, "what it sent (text/html) is not a gzip file, its first bytes are b'<h'"),
        (answer(200), "what it sent (of no type) is not a gzip file, its first bytes are b''"),
        (ending_after(0), "Connection broken: IncompleteRead(0 bytes read, 2000002 more expected)"),
    ],
)
def test_the_next_source_is_asked(serve, output, step, reason):
    done = run(serve(a=[step], b=[good]), output)
    assert_downloaded(done, output)
    assert f"/a: giving up on it: {reason}" in done.stdout
    assert serve.log[-1] == ("/b", None)


def test_a_server_that_is_down_and_a_host_that_is_unknown(output):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{unused.getsockname()[1]}/a"
        unknown = "http://nowhere.invalid/a"
        error = error_of(run([down, unknown], output))
    assert error.startswith(f"error: {output}: all sources failed: {down}: Failed to establish a new connection")
    assert "Connection refused" in error
    assert f"; {unknown}: Failed to resolve 'nowhere.invalid'" in error
    assert "set dataset.archive in config.yaml to a copy you downloaded yourself" in error


def test_a_busy_server_is_asked_again(serve, output):
    assert_downloaded(run(serve(a=[answer(503, Retry_After="3600"), answer(429), good]), output), output)
    assert len(serve.log) == 3


def test_a_server_that_stays_busy_is_left(serve, output, monkeypatch):
    monkeypatch.setattr(download, "BACKOFF", 0.01)
    sources = serve(a=[answer(503)], b=[good])
    download.fetch(sources, SHA256, output, 0)
    assert [path for path, _ in serve.log] == ["/a"] * (1 + download.RETRIES) + ["/b"]


@pytest.mark.parametrize("reset", [True, False])
def test_a_connection_that_breaks_is_resumed_from_the_same_source(serve, output, reset):
    done = run(serve(a=[ending_after(700_000, reset), ending_after(600_000, reset), good], b=[good]), output)
    assert_downloaded(done, output)
    assert serve.log == [("/a", None), ("/a", "bytes=700000-"), ("/a", "bytes=1300000-")]


def test_a_chunked_body_that_breaks_is_resumed(serve, output):
    assert_downloaded(run(serve(a=[chunked(DATA[:900], DATA[900:5000], whole=False), good]), output), output)
    assert serve.log == [("/a", None), ("/a", "bytes=5000-")]


def test_a_dribbled_body_without_a_length(serve, output):
    assert_downloaded(run(serve(a=[chunked(DATA[:1], DATA[1:3], DATA[3:], whole=True)]), output), output)
    assert serve.log == [("/a", None)]


def test_a_range_in_pieces(serve, output):
    assert_downloaded(run(serve(a=[piecemeal]), output), output)
    assert serve.log == [("/a", None), ("/a", "bytes=900000-"), ("/a", "bytes=1800000-")]


def test_a_file_that_is_complete_is_taken_whatever_its_server_announced(serve, output):
    assert_downloaded(run(serve(a=[announcing_more], b=[other]), output), output)
    assert {path for path, _ in serve.log} == {"/a"}


@pytest.mark.parametrize("length", [None, "much", "-5"])
def test_a_length_is_not_needed(serve, output, length):
    assert_downloaded(run(serve(a=[announcing(length)], b=[other]), output), output)
    assert serve.log == [("/a", None)]


@pytest.mark.parametrize(
    "step", [announcing("1000000"), announcing(None, 1_000_000)], ids=["too few", "cut, no length"]
)
def test_an_end_that_comes_too_early_is_not_the_file_s(serve, output, step):
    """The sum tells; the next source gives all of it."""
    assert_downloaded(run(serve(a=[step], b=[good]), output), output)
    assert serve.log == [("/a", None), ("/b", None)]
    assert "/a: its SHA-256 is " in error_of(run(serve(a=[step]), beside(output, ".2")))


def test_a_source_that_breaks_forever_is_left(serve, output):
    download.fetch(serve(a=[ending_after(100)], b=[good]), SHA256, output, 0)
    asked = [path for path, _ in serve.log]
    assert asked == ["/a"] * download.REQUESTS + ["/b"]
    assert output.read_bytes() == DATA


def test_a_source_that_breaks_and_cannot_resume_is_left(serve, output):
    download.fetch(serve(a=[ending_after(100_000, ranges=False)], b=[good]), SHA256, output, 0)
    assert serve.log == [("/a", None), ("/a", "bytes=100000-"), ("/b", "bytes=100000-")]


def test_a_slow_source_is_left_and_its_bytes_are_kept(serve, output, caplog, monkeypatch):
    monkeypatch.setattr(download, "WINDOW", 0.5)
    download.fetch(serve(a=[slow(200)], b=[good]), SHA256, output, 1000)
    assert output.read_bytes() == DATA
    (first, (path, asked)) = serve.log
    held = int(asked.removeprefix("bytes=").removesuffix("-"))
    assert (first, path) == (("/a", None), "/b")
    assert 50_000 < held < 300_000
    assert "/a: giving up on it: too slow, " in caplog.text


def test_a_stalled_source_counts_as_slow(serve, output, monkeypatch):
    monkeypatch.setattr(download, "WINDOW", 0.2)
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.4)
    sources = serve(a=[stalling_after(100_000)], b=[good])
    download.fetch(sources, SHA256, output, 1000)
    assert serve.log == [("/a", None), ("/b", "bytes=100000-")]


def test_the_slow_sources_are_asked_again_when_no_other_gives_it(serve, output, caplog, monkeypatch):
    monkeypatch.setattr(download, "WINDOW", 0.3)
    sources = serve(a=[slow(1000)], b=[answer(404)])
    download.fetch(sources, SHA256, output, 10_000)
    assert output.read_bytes() == DATA
    assert [path for path, _ in serve.log] == ["/a", "/b", "/a"]
    assert serve.log[2][1].startswith("bytes=")
    assert "/a: requesting archive.tar.gz, no minimum rate" in caplog.text


def test_no_minimum_rate_never_leaves(serve, output, monkeypatch):
    monkeypatch.setattr(download, "WINDOW", 0.1)
    download.fetch(serve(a=[slow(4000)], b=[good]), SHA256, output, 0)
    assert serve.log == [("/a", None)]


def test_a_server_that_ignores_the_range_starts_over(serve, output):
    hold(beside(output, ".part"), DATA[:1_900_000])
    done = run(serve(a=[without_ranges]), output)
    assert_downloaded(done, output)
    assert "cannot resume; starting over" in done.stdout


@pytest.mark.parametrize(
    ("step", "reason"), [(portal, "is not a gzip file"), (misplaced, "it sent Content-Range bytes 7-")]
)
def test_bytes_that_do_not_belong_there_spoil_nothing(serve, output, step, reason):
    hold(beside(output, ".part"), DATA[:1000])
    error = error_of(run(serve(a=[step]), output))
    assert reason in error
    assert beside(output, ".part").read_bytes() == DATA[:1000]
    assert not output.exists()


def test_wrong_bytes_are_set_aside_and_named(serve, output):
    sources = serve(a=[other], b=[other])
    error = error_of(run(sources, output))
    wrong = beside(output, ".wrong")
    for expected in (
        *sources,
        f"error: {output}: ",
        f"kept as {wrong}: delete it and run again",
        SHA256,
        "dataset.archive",
        "download.sha256",
    ):
        assert expected in error
    assert error.count(hashlib.sha256(OTHER).hexdigest()) == 2
    assert serve.log == [("/a", None), ("/b", None)]
    assert wrong.read_bytes() == OTHER
    assert sorted(os.listdir(output.parent)) == [f".{output.name}.lock", wrong.name]


@pytest.mark.parametrize("held", [OTHER[-1000:], OTHER, DATA + b"more"], ids=["short", "whole", "long"])
def test_a_wrong_part_from_before_is_fetched_once_more_from_zero(serve, output, held):
    hold(beside(output, ".part"), held)
    assert_downloaded(run(serve(a=[good]), output), output)
    assert serve.log == [("/a", f"bytes={len(held)}-"), ("/a", None)]


def test_a_mixture_that_stays_wrong_ends(serve, output):
    hold(beside(output, ".part"), DATA[:1000])
    error_of(run(serve(a=[other]), output))
    assert serve.log == [("/a", "bytes=1000-"), ("/a", None)]


def test_a_part_that_no_range_was_given_for_is_not_fetched_twice(serve, output):
    hold(beside(output, ".part"), DATA[:1000])
    error_of(run(serve(a=[answer(200, OTHER)]), output))
    assert serve.log == [("/a", "bytes=1000-")]


def test_an_output_that_is_there_is_left_alone(serve, output):
    hold(output, DATA)
    before = output.stat()
    done = run(serve(a=[good]), output)
    assert_downloaded(done, output)
    assert "already there" in done.stdout
    assert output.stat().st_mtime_ns == before.st_mtime_ns
    assert output.stat().st_ino == before.st_ino
    assert serve.log == []


def test_a_wrong_output_is_set_aside(serve, output):
    hold(output, b"mine")
    done = run(serve(a=[good]), output)
    assert_downloaded(done, output)
    assert beside(output, ".wrong").read_bytes() == b"mine"
    assert str(beside(output, ".wrong")) in done.stdout


def test_a_full_disk_is_named_and_keeps_what_fits(serve, output):
    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    error = error_of(run(serve(a=[good], b=[good]), output, preexec_fn=full))
    assert error == f"error: File too large: {beside(output, '.part')}"
    assert len(serve.log) == 1
    assert DATA.startswith(beside(output, ".part").read_bytes())


def test_the_error_of_the_library_is_an_input_error(serve, output):
    with pytest.raises(InputError, match=r"all sources failed: .*/a: HTTP 410 Gone$"):
        download.fetch(serve(a=[answer(410)]), SHA256, output, 0)
