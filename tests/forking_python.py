"""A process that has imported what the workflow's programs import, and forks for each: a job starts in no time.

Programs, and the library, are read anew by each fork, so each checkout has its own. Its only argument is the socket on
which tests/forked/python asks; it ends when its input does.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from pathlib import Path

surroundings = runpy.run_path(str(Path(__file__).parents[1] / "scripts/ablation/surroundings.py"))
os.environ |= surroundings["SET"]

import jinja2  # noqa: E402, F401
import keras  # noqa: E402, F401
import matplotlib.backends.backend_agg  # noqa: E402
import matplotlib.backends.backend_pdf  # noqa: E402
import matplotlib.backends.backend_svg  # noqa: E402
import matplotlib.figure  # noqa: E402, F401
import pandas  # noqa: E402, F401
import PIL.Image  # noqa: E402, F401
import scipy.stats  # noqa: E402, F401
import sklearn.datasets  # noqa: E402, F401
import tensorflow  # noqa: E402, F401
import threadpoolctl  # noqa: E402


def run(connection):
    """Be `python PROGRAM ...` with the streams, folder and environment of the process that asks."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    arguments, folder, environment = json.loads(connection.makefile().readline())
    if process := os.fork():
        connection.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) % 256}\n".encode())
        os._exit(0)
    for descriptor, stream in enumerate(streams):
        os.dup2(stream, descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(surroundings["settled"](environment) | {surroundings["MARK"]: str(os.getpid())})
    threads = int(environment.get("OPENBLAS_NUM_THREADS", os.cpu_count()))  # which BLAS reads when it is loaded
    threadpoolctl.threadpool_limits(threads)
    sys.argv, sys.path[0] = arguments, str(Path(arguments[0]).resolve().parent)
    runpy.run_path(arguments[0], run_name="__main__")


with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    gc.disable()  # a program of the tests is short
    gc.freeze()
    print("ready", flush=True)
    while sys.stdin not in (ready := select.select([listener, sys.stdin], [], [])[0]):
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nothing waits for the forks
        connection, _ = listener.accept()
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            run(connection)
            break
        connection.close()
