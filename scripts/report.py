"""Write the report: one self-contained HTML page."""

import argparse
import json
from pathlib import Path

from ablation import errors, files, report, table


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--template", required=True)
    parser.add_argument("--table", required=True, help="accuracy.csv")
    parser.add_argument("--comparisons", required=True, help="comparisons.csv")
    parser.add_argument("--metrics", nargs="+", required=True, help="metrics.json of every run")
    parser.add_argument("--figures", nargs="+", required=True, help="every figure")
    parser.add_argument("--study", type=json.loads, required=True, help="title, dataset, limits and so on, as JSON")
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()

    html = report.render(
        template=Path(arguments.template).read_text(encoding="utf-8"),
        table=table.read(arguments.table),
        comparisons=table.read(arguments.comparisons),
        study=arguments.study,
        figures={Path(path).stem: Path(path).read_bytes() for path in arguments.figures},
        metrics=[json.loads(Path(path).read_text()) for path in arguments.metrics],
    )
    files.write_text(arguments.output, html)


if __name__ == "__main__":
    errors.run(main)
