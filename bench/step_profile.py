"""Where a training step's time goes on one core: the share of each of oneDNN's primitives, as oneDNN reports it.

python bench/step_profile.py
"""

import os
import subprocess
import sys
from collections import Counter

import measure
import pandas as pd


def shares(model, precision):
    """Return the share of an epoch of 60 batches, or of 3 of a thousand images or more, by kind of primitive."""
    spec = measure.study_spec(model)
    images = spec.batch_size * (60 if spec.batch_size < 1000 else 3)
    command = [sys.executable, "bench/contender.py", "ours", precision, str(measure.CPUS[0]), images, spec.to_json()]
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=measure.ROOT,
        env=os.environ | {"ONEDNN_VERBOSE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    while process.stdout.readline() != "ready\n":
        assert process.poll() is None
    print(file=process.stdin, flush=True)
    milliseconds = Counter()
    while (line := process.stdout.readline()).startswith("onednn"):
        fields = line.strip().split(",")
        if "exec" in fields:
            milliseconds[fields[fields.index("exec") + 2]] += float(fields[-1])
    epoch = 1000 * float(line.split()[0])
    process.stdin.close()
    process.wait()
    found = {kind: time / epoch for kind, time in milliseconds.most_common()}
    return {**found, "outside of oneDNN": 1 - sum(found.values()), "images/s": 1000 * images / epoch}


def main():
    cases = [("model7", "float32"), ("model7", "mixed_bfloat16"), ("airbench94", "mixed_bfloat16")]
    table = pd.DataFrame({f"{model}, {precision}": shares(model, precision) for model, precision in cases})
    measure.report("step_profile", table.rename_axis("share of a step"))


if __name__ == "__main__":
    main()
