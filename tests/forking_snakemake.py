"""A process that has imported Snakemake and forks for each run of it: a dry run takes half the time.

It reads a run per line of JSON, with the arguments, the working folder, the environment and a file for its output; it
answers with the exit status of each.
"""

import gc
import json
import os
import shutil
import sys

import jsonschema  # noqa: F401  what a run imports later on
import packaging.version  # noqa: F401
import smart_open  # noqa: F401
import snakemake.report  # noqa: F401
from snakemake import cli


def run(arguments, folder, environment, output):
    """Be `python -m snakemake` with these arguments, of the environment's `python`; this doesn't return."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv, sys.path[0] = ["snakemake", *arguments], folder
    sys.executable = shutil.which("python")  # which the workflow gives to its jobs
    with open(output, "w") as file, open(os.devnull) as nothing:
        for descriptor, stream in enumerate((nothing, file, file)):
            os.dup2(stream.fileno(), descriptor)
    cli.main(arguments)


cli.get_argument_parser()  # which collects the plugins
gc.disable()  # a run is short
gc.freeze()
for line in sys.stdin:
    if not (process := os.fork()):
        run(*json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
