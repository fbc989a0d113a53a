"""The commands `info` and `plan`: what this build found, and what it would do with a problem."""

from __future__ import annotations

import argparse
from typing import Any


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
        description="Show, for each problem string, which algorithm runs, its predicted cost and workspace, "
        "and why each other one was refused or not chosen.",
        epilog="example: python -m pyconv plan n1c64h56w56_k64r3s3p1_bias --layout channels_last --threads 2",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    plan.add_argument("problem", nargs="+", help="a problem string such as n1c64h56w56_k64r3s3p1u2_f32_bias")
    plan.add_argument("--layout", choices=("channels_first", "channels_last"), default="channels_first")
    plan.add_argument("--precision", choices=("highest", "high", "medium"), default="high")
    plan.add_argument("--isa", help="force an instruction set: baseline, avx2, avx512 or neon")
    plan.add_argument("--threads", type=int, help="plan for this many threads")
    plan.set_defaults(run=_run_plan)


def _run_info(_: argparse.Namespace) -> None:
    import pyconv

    pyconv.show_config()


def _run_plan(arguments: argparse.Namespace) -> None:
    import pyconv

    given = {"num_threads": arguments.threads, "isa": arguments.isa, "precision": arguments.precision}
    with pyconv.options(**{name: value for name, value in given.items() if value is not None}):
        for problem in arguments.problem:
            print(pyconv.plan(problem, data_format=arguments.layout))
