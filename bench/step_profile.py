"""Where a training step's time goes on one core: the share of each of oneDNN's primitives, as oneDNN reports it.

python bench/step_profile.py
"""

from collections import Counter

import measure
import pandas as pd


def shares(model, precision):
    """Return the share of an epoch of 60 batches, or of 3 of a thousand images or more, by kind of primitive."""
    spec = measure.study_spec(model)
    images = spec.batch_size * (60 if spec.batch_size < 1000 else 3)
    worker = measure.Worker("ours", precision, measure.CPUS[:1], images, spec, ONEDNN_VERBOSE="1")
    speed = worker.epoch()
    worker.stop()
    milliseconds = Counter()
    for fields in (line.split(",") for line in worker.printed):
        if "exec" in fields:
            milliseconds[fields[fields.index("exec") + 2]] += float(fields[-1])
    found = {kind: time / (1000 * images / speed) for kind, time in milliseconds.most_common()}
    return {**found, "outside of oneDNN": 1 - sum(found.values()), "images/s": speed}


def main():
    cases = [("model7", "float32"), ("model7", "mixed_bfloat16"), ("airbench94", "mixed_bfloat16")]
    table = pd.DataFrame({f"{model}, {precision}": shares(model, precision) for model, precision in cases})
    measure.report("step_profile", table.rename_axis("share of a step"))


if __name__ == "__main__":
    main()
