"""The commands `info` and `plan`: what this build found, and what it would do with a problem."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pyconv import _cli

_PLAN_EPILOG = """examples:
  python -m pyconv plan n1c64h56w56_k64r3s3p1_bias --layout channels_last --threads 2
  python -m pyconv plan --input x.npy --weight w.npy --padding 1 -o plan.txt

"""


def add_arguments(subparsers: Any) -> None:
    info = subparsers.add_parser(
        "info",
        help="show version, instruction sets, caches, threads and settings",
        description="Show what this build of pyconv found on this machine.",
    )
    info.set_defaults(run=_run_info)
    plan = subparsers.add_parser(
        "plan",
        help="show which algorithm a convolution would use, and why not the others",
        description="Show, for each problem string or for arrays in .npy files, which algorithm runs, its\n"
        "predicted cost and workspace, and why each other one was refused or not chosen.",
        epilog=_PLAN_EPILOG + _cli.PROBLEM_STRING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _cli.add_call(plan, pooling=False)
    how = plan.add_argument_group("how it would run")
    how.add_argument(
        "--layout",
        choices=("channels_first", "channels_last"),
        default="channels_first",
        help="the memory of a problem string's input, or the axes of --input's (default channels_first)",
    )
    how.add_argument("--precision", choices=("highest", "high", "medium"), help="default high")
    how.add_argument("--isa", help="force an instruction set: baseline, avx2, avx512 or neon")
    how.add_argument("--threads", type=int, help="plan for this many threads")
    plan.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the text to a file instead")
    plan.set_defaults(run=_run_plan)


def _run_info(_: argparse.Namespace) -> None:
    import pyconv

    pyconv.show_config()


def _run_plan(arguments: argparse.Namespace) -> None:
    import pyconv

    given = {"num_threads": arguments.threads, "isa": arguments.isa, "precision": arguments.precision}
    strings = _cli.problems(arguments)
    with pyconv.options(**{name: value for name, value in given.items() if value is not None}):
        if strings:
            plans = [pyconv.plan(text, data_format=arguments.layout) for text in strings]
        else:
            call = _cli.from_files(arguments)
            arrays = [call.pop(name) for name in ("x", "w", "b")]
            plans = [pyconv.plan(*arrays, **call, data_format=arguments.layout)]
    text = "\n".join(map(str, plans))
    if arguments.output is None:
        print(text)
        return
    try:
        arguments.output.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot write {arguments.output}: {error.strerror}") from None
    print(f"wrote {arguments.output}")
