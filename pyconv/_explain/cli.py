"""``python -m pyconv explain``: from .npy files or a problem string, to the terminal or a file."""

from __future__ import annotations

import argparse
from typing import Any

from pyconv import _cli

_DESCRIPTION = """Show which products one output element of a convolution or a pooling is the sum of.

The numbers are yours (--input and --weight, NumPy .npy files) or small random integers in the shape of
a problem string. The output element is chosen with --at n,channel,position...
"""
_EPILOG = """examples:
  python -m pyconv explain n1c2w11_k3s4                      a 1-D convolution, to the terminal
  python -m pyconv explain n1c3h5w5_k2r3s3p1u2 --at 0,1,1,2  another output element
  python -m pyconv explain n1c1h6w6_maxr2s2                  max pooling (avg for average)
  python -m pyconv explain n1c3h225w224_k64r7s7p3u2 --sizes  why the output is 113 x 112
  python -m pyconv explain --input x.npy --weight w.npy --bias b.npy --padding 1 -o picture.svg
  python -m pyconv explain --input x.npy --weight w.npy -o page.html  interactive: hover, arrow keys, play
  python -m pyconv explain --input x.npy --pool max --kernel 3 --stride 2
  python -m pyconv explain --input tokens.npy --weight w.npy --labels "the cat sat"

"""


def add_arguments(subparsers: Any) -> None:
    """Add the command's parser; `__main__` calls its `run`."""
    parser = subparsers.add_parser(
        "explain",
        help="show the products behind one output element: text, SVG, PNG or an interactive page",
        description=_DESCRIPTION,
        epilog=_EPILOG + _cli.PROBLEM_STRING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _cli.add_call(parser, pooling=True)
    shown = parser.add_argument_group("what is shown")
    shown.add_argument(
        "--at",
        type=_cli.numbers,
        metavar="N,C,POS",
        help="the output element, from 0; --at=-1,-1,-1: the last",
    )
    shown.add_argument("--labels", type=str.split, metavar='"A B C"', help="words under a 1-D input")
    shown.add_argument("--sizes", action="store_true", help="explain the output's size instead of an element")
    shown.add_argument(
        "--check", action="store_true", help="compare with pyconv, and torch if it is installed"
    )
    shown.add_argument("--seed", type=int, default=0, help="which random integers (default 0)")
    shown.add_argument("-o", "--output", metavar="FILE", help="write .svg, .png, .html or .txt instead")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print or write what was asked; 1 if a check fails."""
    strings = _cli.problems(arguments)
    if len(strings) > 1:
        raise ValueError(f"give one problem string, got {' and '.join(strings)}")
    call = _from_string(strings[0], arguments.seed) if strings else _cli.from_files(arguments)
    explanation = _explain_sizes(call) if arguments.sizes else _explain(call, arguments)
    if arguments.output:
        try:
            explanation.save(arguments.output)
        except (OSError, ImportError) as error:
            raise ValueError(f"cannot write {arguments.output}: {error}") from None
        print(f"wrote {arguments.output}")
    else:
        print(explanation)
    if arguments.check and not arguments.sizes:
        result = explanation.check()
        print(f"\n{result}")
        return 0 if result else 1
    return 0


def _explain(call: dict[str, Any], arguments: argparse.Namespace) -> Any:
    from . import explain, explain_pool

    at = (arguments.at,) if isinstance(arguments.at, int) else arguments.at
    function = explain_pool if "kernel_size" in call else explain
    return function(**call, at=at, labels=arguments.labels)


def _explain_sizes(call: dict[str, Any]) -> Any:
    from . import explain_shape

    kernel = call["kernel_size"] if "kernel_size" in call else call["w"]
    names = ("stride", "padding", "dilation", "groups", "ceil_mode")
    return explain_shape(call["x"], kernel, **{name: call[name] for name in names if name in call})


def _from_string(text: str, seed: int) -> dict[str, Any]:
    """The call of a problem string, filled with small integers so that every sum is exact."""
    import numpy as np

    from pyconv.bench.problem_string import parse_case

    case = parse_case(text)
    rng = np.random.default_rng(seed)
    dtype = np.dtype(case.dtype)
    x = rng.integers(-4, 10, (case.batch, case.in_ch, *case.in_size)).astype(dtype)
    call: dict[str, Any] = {"x": x, "stride": case.stride, "dilation": case.dilation}
    if not case.is_conv:
        if case.pad_begin != case.pad_end:
            raise ValueError(f"pooling padding must be the same on both sides, got {text}")
        call |= {"kernel_size": case.kernel, "padding": case.pad_begin, "ceil_mode": case.ceil_mode}
        kind = "max" if case.op == "max_pool" else "avg"
        return call | {"kind": kind, "count_include_pad": case.count_include_pad}
    w = rng.integers(-3, 4, (case.out_ch, case.in_ch // case.groups, *case.kernel)).astype(dtype)
    sides = tuple(zip(case.pad_begin, case.pad_end, strict=True))
    b = rng.integers(-9, 10, case.out_ch).astype(dtype) if case.bias else None
    return call | {"w": w, "b": b, "padding": sides, "groups": case.groups}
