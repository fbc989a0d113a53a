"""``python -m pyconv explain``: from .npy files or a problem string, to the terminal or a file."""

from __future__ import annotations

import argparse
from typing import Any

_DESCRIPTION = """Show which products one output element of a convolution or a pooling is the sum of.

The numbers are yours (--input and --weight, NumPy .npy files) or small random integers in the shape of
a problem string (--shape). The output element is chosen with --at n,channel,position...
"""
_EPILOG = """examples:
  python -m pyconv explain --shape n1c2w11_k3s4                      a 1-D convolution, to the terminal
  python -m pyconv explain --shape n1c3h5w5_k2r3s3p1u2 --at 0,1,1,2  another output element
  python -m pyconv explain --shape n1c1h6w6_maxr2s2                  max pooling (avg for average)
  python -m pyconv explain --input x.npy --weight w.npy --bias b.npy --padding 1 -o picture.svg
  python -m pyconv explain --input x.npy --weight w.npy -o page.html  interactive: hover, arrow keys, play
  python -m pyconv explain --input x.npy --pool max --kernel 3 --stride 2
  python -m pyconv explain --input tokens.npy --weight w.npy --labels "the cat sat"
  python -m pyconv explain --shape n1c3h225w224_k64r7s7p3u2 --sizes   why the output is 113 x 112

a problem string reads: n batch, c channels, d h w input size _ k output channels, t r s kernel,
p padding, u stride, l dilation, g groups; then flags such as _bias.
"""


def add_arguments(subparsers: Any) -> None:
    """Add the command's parser; `__main__` calls its `run`."""
    parser = subparsers.add_parser(
        "explain",
        help="show the products behind one output element: text, SVG, PNG or an interactive page",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    data = parser.add_argument_group("what is computed")
    data.add_argument(
        "--shape", metavar="PROBLEM", help="a problem string; filled with small random integers"
    )
    data.add_argument("--seed", type=int, default=0, help="which random integers (default 0)")
    data.add_argument("--input", metavar="X.npy", help="the input, (batch, in_ch, *size)")
    data.add_argument("--weight", metavar="W.npy", help="the weight, (out_ch, in_ch / groups, *kernel)")
    data.add_argument("--bias", metavar="B.npy", help="the bias, (out_ch,)")
    data.add_argument("--pool", choices=("max", "avg"), help="a pooling instead of a convolution")
    data.add_argument("--kernel", type=numbers, metavar="K", help="window of the pooling: 3 or 3,3")
    data.add_argument("--stride", type=numbers, metavar="S", help="1 or 2,1 (pooling: the window's size)")
    data.add_argument("--padding", type=padding, default=0, metavar="P", help="1 or 1,0 or same or valid")
    data.add_argument("--dilation", type=numbers, default=1, metavar="D", help="1 or 2,2")
    data.add_argument("--groups", type=int, default=1, metavar="G")
    data.add_argument("--padding-mode", default="zeros", help="zeros, reflect, replicate or circular")
    data.add_argument("--ceil-mode", action="store_true", help="pooling: a last window may hang over the end")
    shown = parser.add_argument_group("what is shown")
    shown.add_argument(
        "--at", type=numbers, metavar="N,C,POS", help="the output element, from 0; --at=-1,-1,-1: the last"
    )
    shown.add_argument("--labels", type=str.split, metavar='"A B C"', help="words under a 1-D input")
    shown.add_argument("--sizes", action="store_true", help="explain the output's size instead of an element")
    shown.add_argument(
        "--check", action="store_true", help="compare with pyconv, and torch if it is installed"
    )
    shown.add_argument("-o", "--output", metavar="FILE", help="write .svg, .png, .html or .txt instead")
    parser.set_defaults(run=run)


def numbers(text: str) -> int | tuple[int, ...]:
    """ "3" as an integer, "3,1" as a tuple."""
    values = tuple(int(part) for part in text.split(","))
    return values[0] if len(values) == 1 else values


def padding(text: str) -> str | int | tuple[int, ...]:
    return text if text in ("same", "valid") else numbers(text)


def run(arguments: argparse.Namespace) -> int:
    """Print or write what was asked; 1 if a check fails."""
    call = _from_shape(arguments) if arguments.shape else _from_files(arguments)
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


def _from_files(arguments: argparse.Namespace) -> dict[str, Any]:
    """The call's arguments with arrays from files."""
    if not arguments.input:
        raise ValueError("--shape or --input is needed; see python -m pyconv explain --help")
    common = {"x": _load(arguments.input), "padding": arguments.padding, "dilation": arguments.dilation}
    if arguments.pool:
        if arguments.kernel is None:
            raise ValueError("--pool needs --kernel")
        return common | {
            "kernel_size": arguments.kernel, "stride": arguments.stride,
            "ceil_mode": arguments.ceil_mode, "kind": arguments.pool,
        }  # fmt: skip
    if not arguments.weight:
        raise ValueError("--input needs --weight W.npy, or --pool max --kernel 3")
    bias = _load(arguments.bias) if arguments.bias else None
    return common | {
        "w": _load(arguments.weight), "b": bias, "groups": arguments.groups,
        "stride": 1 if arguments.stride is None else arguments.stride, "padding_mode": arguments.padding_mode,
    }  # fmt: skip


def _load(path: str) -> Any:
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None


def _from_shape(arguments: argparse.Namespace) -> dict[str, Any]:
    """The call of a problem string, filled with small integers so that every sum is exact."""
    import numpy as np

    from pyconv.bench.problem_string import parse_case

    case = parse_case(arguments.shape)
    rng = np.random.default_rng(arguments.seed)
    dtype = np.dtype(case.dtype)
    x = rng.integers(-4, 10, (case.batch, case.in_ch, *case.in_size)).astype(dtype)
    call: dict[str, Any] = {"x": x, "stride": case.stride, "dilation": case.dilation}
    if not case.is_conv:
        if case.pad_begin != case.pad_end:
            raise ValueError(f"pooling padding must be the same on both sides, got {arguments.shape}")
        call |= {"kernel_size": case.kernel, "padding": case.pad_begin, "ceil_mode": case.ceil_mode}
        kind = "max" if case.op == "max_pool" else "avg"
        return call | {"kind": kind, "count_include_pad": case.count_include_pad}
    w = rng.integers(-3, 4, (case.out_ch, case.in_ch // case.groups, *case.kernel)).astype(dtype)
    sides = tuple(zip(case.pad_begin, case.pad_end, strict=True))
    b = rng.integers(-9, 10, case.out_ch).astype(dtype) if case.bias else None
    return call | {
        "w": w,
        "b": b,
        "padding": sides,
        "groups": case.groups,
        "padding_mode": arguments.padding_mode,
    }
