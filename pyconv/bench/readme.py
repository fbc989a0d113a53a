"""README's speed section, written from a committed run: python -m pyconv.bench.readme README.md RUN.json

The text between the two markers is generated, and the chart beside the run, RUN.svg; a test compares both
with the run, so that README cannot claim what was not measured.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pyconv.bench import records, sets, summary
from pyconv.bench.markdown import table
from pyconv.bench.records import Run
from pyconv.bench.report import chart

_MARKED = re.compile(r"(<!-- speed: (?P<run>\S+) -->\n).*?(<!-- end of speed -->)", re.DOTALL)


def render(run: Run) -> str:
    """The sets with their geometric mean and worst row, dated, with machine and command."""
    rows = [
        [
            score.target.title,
            score.target.layout,
            str(score.target.threads),
            str(score.rows),
            f"{score.mean:.2f}x",
            f"{score.worst:.2f}x",
        ]
        for score in sets.scores(run)
    ]
    header = ["layers", "layout", "threads", "rows", "geometric mean", "worst row"]
    control = summary.control(run.results)
    noise = "" if control is None else f" A/A control: {control}."
    versions = ", ".join(f"{name} {run.versions[name]}" for name in run.versions if name != "scipy")
    where = f"{run.machine.get('processor', '?')}, {run.machine.get('cpus', '?')} CPUs"
    return (
        f"{table(header, rows)}\n\n"
        "How many times faster than the named library (PyTorch where none is named), each side in its faster "
        f"memory layout unless one is named. Measured {run.started[:10]} on {where}, by `{run.command}` "
        f"({versions}).{noise}\n"
    )


def update(text: str, run: Run) -> str:
    """`text` with its marked section written again."""
    if _MARKED.search(text) is None:
        raise ValueError("there is no section between '<!-- speed: RUN.json -->' and '<!-- end of speed -->'")

    def section(match: re.Match[str]) -> str:
        chart_file = Path(match["run"]).with_suffix(".svg").as_posix()
        alt = "A bar for each set of layers: how many times faster pyconv is; the table has the numbers"
        return f"{match[1]}![{alt}]({chart_file})\n\n{render(run)}{match[3]}"

    return _MARKED.sub(section, text)


def named_run(text: str) -> str | None:
    """The run that the marked section names, relative to the document."""
    match = _MARKED.search(text)
    return None if match is None else match["run"]


if __name__ == "__main__":
    document, run_file = map(Path, sys.argv[1:])
    published = records.load(run_file)
    document.write_text(update(document.read_text("utf-8"), published), "utf-8")
    run_file.with_suffix(".svg").write_text(chart.draw(published), "utf-8")
