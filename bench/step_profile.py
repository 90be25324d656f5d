"""Where the time of training goes on one core: the share of each type of operation, as TensorFlow's profiler sees it.

python bench/step_profile.py
"""

import multiprocessing
import os
import re
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import contender
import measure
import pandas as pd

CASES = [("model7", "float32"), ("model7", "mixed_bfloat16"), ("airbench94", "mixed_bfloat16")]
LEAST = 0.01  # of the time; what takes less in all cases is added up


def shares(model, precision):
    """Return the share of an epoch of 60 batches, or of 3 of a thousand images or more, by type of operation."""
    os.sched_setaffinity(0, measure.CPUS[:1])
    spec = measure.study_spec(model)
    images = spec.batch_size * (60 if spec.batch_size < 1000 else 3)
    epoch = contender.this_workflow(spec, precision, 1, images)
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    epoch()  # traces, warms up
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        seconds = epoch()
        tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    found = Counter()
    for plane in space.planes:
        for line in plane.lines:
            found += own_seconds((plane.event_metadata[each.metadata_id].name, each) for each in line.events)
    kinds = {kind: own / seconds for kind, own in found.most_common()}
    return {**kinds, "between operations": 1 - sum(kinds.values()), "images/s": images / seconds}


def own_seconds(events):
    """Return the seconds of each type of operation, without those that it waits for others that it calls.

    events: (name, event) of one thread; the name of an operation is its own, a colon, and its type.
    """
    found, callers = Counter(), []
    for name, event in sorted(events, key=lambda pair: (pair[1].offset_ps, -pair[1].duration_ps)):
        own_name, _, kind = name.rpartition(":")
        if own_name.endswith(":"):  # Class::method, of what runs the operations
            kind = None
        elif own_name:
            kind = re.sub(r"^_Mkl(Native)?", "", kind)
        else:
            kind = "compiled by XLA"
        while callers and callers[-1][0] <= event.offset_ps:
            callers.pop()
        if callers:
            found[callers[-1][1]] -= event.duration_ps / 1e12
        found[kind] += event.duration_ps / 1e12
        callers.append((event.offset_ps + event.duration_ps, kind))
    del found[None]
    return found


def main():
    columns = {}
    for case in CASES:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:  # TensorFlow starts anew
            columns[", ".join(case)] = pool.submit(shares, *case).result()
    table = pd.DataFrame(columns)
    small = (table.fillna(0) < LEAST).all(axis=1)
    table = pd.concat([table[~small], table[small].sum().to_frame("others, each below 1%").T])
    measure.report("step_profile", table.rename_axis("share of the time"))


if __name__ == "__main__":
    main()
