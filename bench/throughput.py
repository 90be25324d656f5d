"""Training speed, images per second: ours, plain Keras and PyTorch, in turn, an epoch each.

python bench/throughput.py; airbench94 is compared with PyTorch alone.
"""

import argparse

import measure
import pandas as pd

CONTENDERS = [
    ("ours", "float32"),
    ("keras", "float32"),
    ("torch", "float32"),
    ("ours", "mixed_bfloat16"),
    ("keras", "mixed_bfloat16"),
    ("torch", "mixed_bfloat16"),
]
COMPARED = [
    ("ours float32", "keras float32"),
    ("ours mixed_bfloat16", "keras float32"),
    ("ours float32", "torch float32"),
    ("ours mixed_bfloat16", "torch mixed_bfloat16"),
    ("ours mixed_bfloat16", "keras mixed_bfloat16"),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["model7", "model2", "airbench94"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=60, help="in an epoch; of airbench94, a twentieth of them")
    arguments = parser.parse_args()

    speeds, compared = [], []
    for model in arguments.models:
        for threads in arguments.threads:
            case = {"model": model, "threads": threads}
            spec = measure.study_spec(model)
            modern = spec.architecture == "airbench"
            images = spec.batch_size * (arguments.batches // 20 if modern else arguments.batches)
            workers = {
                f"{way} {precision}": measure.Worker(way, precision, measure.CPUS[:threads], images, spec)
                for way, precision in CONTENDERS
                if not (modern and way == "keras")
            }
            runs = measure.interleave({name: worker.epoch for name, worker in workers.items()}, arguments.rounds)
            for name, worker in workers.items():
                utilization = pd.Series(worker.cpu_utilization).median()
                speeds.append(
                    {**case, "contender": name, "images/s": runs[name].median(), "CPU/(wall x threads)": utilization}
                )
                worker.stop()
            compared += [
                {**case, "of": of, "to": to, **measure.ratios(runs[of], runs[to])} for of, to in COMPARED if to in runs
            ]
    measure.report("images_per_second", pd.DataFrame(speeds).set_index(["model", "threads", "contender"]))
    measure.report("speed_ratios", pd.DataFrame(compared).set_index(["model", "threads", "of", "to"]))


if __name__ == "__main__":
    main()
