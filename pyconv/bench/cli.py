"""python -m pyconv bench: choose, run, write."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pyconv.bench import compare, records
from pyconv.bench.cases import Case
from pyconv.bench.problem_string import EXAMPLES, parse_case, read_table
from pyconv.bench.rivals import names as rival_names
from pyconv.bench.rivals.base import LAYOUTS
from pyconv.bench.suites import Options, find
from pyconv.bench.suites import names as suite_names

_EPILOG = """examples:
  python -m pyconv bench quick                          two minutes, one thread
  python -m pyconv bench layers pool --threads 1,2      the set the project is judged by
  python -m pyconv bench networks --network resnet50    a whole network with its total
  python -m pyconv bench n8c64h56w56_k64r3s3p1 --rivals pyconv-layer,torch
  python -m pyconv bench --model model.onnx             the layers of your model
  python -m pyconv bench --model torchvision.models:resnet18 --input 1x3x224x224
  python -m pyconv bench --compare before.json after.json

Ratios are above 1 where pyconv is faster. docs/benchmarking.md explains the method.
"""


def add_arguments(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "bench",
        help="measure this machine against PyTorch and others, fairly",
        description="Time pyconv against the libraries found here: interleaved in one process, results "
        "checked, thread counts verified, FMA peak and bandwidth measured in the same run. Writes JSON, "
        "Markdown and one self-contained HTML page.",
        epilog=_suite_list() + _EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what", nargs="*", metavar="SUITE|PROBLEM", help=f"suites, or problem strings such as {EXAMPLES}"
    )
    parser.add_argument(
        "--csv",
        type=Path,
        help="measure a CSV: problem strings in a column `problem`, or the schema of shapes/",
    )
    parser.add_argument(
        "--model", help="measure the layers of model.onnx or of module:factory (a torch module)"
    )
    parser.add_argument(
        "--input", default="1x3x224x224", help="input shape for --model (default %(default)s)"
    )
    parser.add_argument("--network", action="append", default=[], help="a network for the suite `networks`")
    parser.add_argument("--threads", type=_numbers, default=(), help="thread counts, such as 1,2")
    parser.add_argument("--dtype", type=_words, default=(), help="only float32 and/or float64")
    parser.add_argument(
        "--layout", type=_words, default=LAYOUTS, help=f"of {','.join(LAYOUTS)} (default both)"
    )
    parser.add_argument("--rivals", type=_words, default=(), help=f"of {', '.join(rival_names())}")
    parser.add_argument("--isa", help="force an instruction set on pyconv: baseline, avx2, avx512 or neon")
    parser.add_argument("--seconds", type=float, help="time for each case (all contestants together)")
    parser.add_argument("--cold", action="store_true", help="also time single calls with cold caches")
    parser.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")
    parser.add_argument(
        "--output", type=Path, default=Path("bench-output"), help="folder (default %(default)s)"
    )
    parser.add_argument("--name", default="", help="of the files there (default: the suites)")
    parser.add_argument(
        "--baseline",
        type=Path,
        help="compare ratios against torch with this JSON; what fell twice makes the command fail",
    )
    parser.add_argument(
        "--compare", type=Path, nargs=2, metavar="JSON", help="compare two runs, measure nothing"
    )
    parser.add_argument(
        "--render", type=Path, metavar="JSON", help="write Markdown, HTML and pictures of a run again"
    )
    parser.set_defaults(run=_run)


def _suite_list() -> str:
    return "suites:\n" + "".join(f"  {name:<10} {find(name).help}\n" for name in suite_names()) + "\n"


def _run(arguments: argparse.Namespace) -> int:
    from pyconv.bench import gate, run

    if arguments.render:
        _write_reports(arguments.render)
        return 0
    if arguments.compare:
        return _report_changes(*map(records.load, arguments.compare))
    options = _options(arguments)
    finished = run.run(options, "python -m pyconv " + " ".join(sys.argv[1:]))
    options.stem.parent.mkdir(parents=True, exist_ok=True)
    record = options.stem.with_suffix(".json")
    records.save(finished, record)
    _write_reports(record)
    for fault in finished.faults:
        print(f"NOT TO BE BELIEVED: {fault}")
    status = 1 if finished.faults else 0
    if arguments.baseline is not None:
        status |= gate.check(
            records.load(arguments.baseline), finished, lambda again: run.run(again, ""), options
        )
    return status if finished.complete else 130


def _options(arguments: argparse.Namespace) -> Options:
    known = suite_names()
    suites = [word for word in arguments.what if word in known]
    cases: list[Case] = [parse_case(word) for word in arguments.what if word not in known]
    if arguments.csv is not None:
        cases += read_table(arguments.csv)
    if arguments.model is not None:
        from pyconv.bench.models import extract

        cases += extract(arguments.model, arguments.input)
    if cases and "custom" not in suites:
        suites.append("custom")
    for layout in arguments.layout:
        if layout not in LAYOUTS:
            raise ValueError(f"--layout must be of {', '.join(LAYOUTS)}; got {layout!r}")
    return Options(
        suites=tuple(suites) or ("quick",),
        cases=tuple(cases),
        networks=tuple(arguments.network),
        threads=arguments.threads,
        dtypes=arguments.dtype,
        layouts=arguments.layout,
        rivals=arguments.rivals,
        isa=arguments.isa,
        seconds=arguments.seconds,
        cold=arguments.cold,
        resume=arguments.resume,
        output=arguments.output,
        name=arguments.name,
    )


def _write_reports(record: Path) -> None:
    """Of what is in the file, whose figures are rounded: `--render` writes the same again."""
    from pyconv.bench import markdown
    from pyconv.bench.report import figures, html

    finished, stem = records.load(record), record.with_suffix("")
    text = markdown.render(finished)
    stem.with_suffix(".md").write_text(text, encoding="utf-8")
    stem.with_suffix(".html").write_text(html.render(finished), encoding="utf-8")
    pictures = figures.write(finished, stem.parent, stem.name)
    print(text if len(finished.results) <= 12 else text.split("## Every row")[0])
    print(f"written: {stem}.json, .md, .html" + "".join(f", {path.name}" for path in pictures))


def _report_changes(before: records.Run, after: records.Run) -> int:
    changes = compare.compare(before, after)
    print(compare.render(changes))
    return 1 if any(change.is_regression for change in changes) else 0


def _numbers(text: str) -> tuple[int, ...]:
    values = tuple(int(part) for part in text.split(","))
    if min(values) < 1:
        raise argparse.ArgumentTypeError(f"thread counts must be at least 1; got {text}")
    return values


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))
