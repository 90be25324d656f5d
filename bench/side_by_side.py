"""One training job with two threads, or two jobs side by side with one thread each? Images per second of both together.

python bench/side_by_side.py
"""

import argparse
from concurrent.futures import ThreadPoolExecutor

import measure
import pandas as pd


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="model7")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=3840)
    arguments = parser.parse_args()

    spec = measure.study_spec(arguments.model)
    rows = []
    for precision in ("float32", "mixed_bfloat16"):
        one = measure.Worker("ours", precision, measure.CPUS[:2], arguments.images, spec)
        pair = [measure.Worker("ours", precision, [cpu], arguments.images, spec) for cpu in measure.CPUS[:2]]

        def together(pair=pair):
            with ThreadPoolExecutor(2) as pool:
                return sum(pool.map(measure.Worker.epoch, pair))

        runs = measure.interleave({"two jobs": together, "one job": one.epoch}, arguments.rounds)
        for worker in (one, *pair):
            worker.stop()
        speeds = {f"{name}, images/s": runs[name].median() for name in runs}
        rows.append({"precision": precision, **speeds, **measure.ratios(runs["two jobs"], runs["one job"])})
    measure.report("side_by_side", pd.DataFrame(rows).set_index("precision"))


if __name__ == "__main__":
    main()
