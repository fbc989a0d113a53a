"""What the commands `explain` and `plan` share: a call given by .npy files or by a problem string."""

from __future__ import annotations

import argparse
from typing import Any

PROBLEM_STRING = """a problem string reads: n batch, c channels, d h w input size _ k output channels,
t r s kernel, p padding, u stride, l dilation, g groups; then flags such as _f64 or _bias. An image of 64
channels, 56x56, and 64 kernels of 3x3 with padding 1: n1c64h56w56_k64r3s3p1. A pooling has max or avg for k:
n1c8h9w9_maxr2s2.
"""
# The options that say what a call with files computes; a problem string says it itself.
_OF_FILES = (
    *("weight", "bias", "pool", "kernel", "ceil_mode"),
    *("stride", "padding", "dilation", "groups", "padding_mode"),
)


def add_call(parser: argparse.ArgumentParser, *, pooling: bool) -> None:
    """Add the arguments that say what is computed."""
    parser.add_argument(
        "problem", nargs="?" if pooling else "*", metavar="PROBLEM", help="a problem string, see below"
    )
    parser.add_argument("--shape", metavar="PROBLEM", help="the same under a name")
    data = parser.add_argument_group("instead, arrays of yours")
    data.add_argument("--input", metavar="X.npy", help="the input, (batch, in_ch, *size)")
    data.add_argument("--weight", metavar="W.npy", help="the weight, (out_ch, in_ch / groups, *kernel)")
    data.add_argument("--bias", metavar="B.npy", help="the bias, (out_ch,)")
    if pooling:
        data.add_argument("--pool", choices=("max", "avg"), help="a pooling instead of a convolution")
        data.add_argument("--kernel", type=numbers, metavar="K", help="window of the pooling: 3 or 3,3")
        data.add_argument(
            "--ceil-mode", action="store_true", default=None, help="pooling: a last window may hang over"
        )
    data.add_argument("--stride", type=numbers, metavar="S", help="1 or 2,1 (pooling: the window's size)")
    data.add_argument("--padding", type=padding, metavar="P", help="1 or 1,0 or same or valid (default 0)")
    data.add_argument("--dilation", type=numbers, metavar="D", help="1 or 2,2 (default 1)")
    data.add_argument("--groups", type=int, metavar="G", help="default 1")
    data.add_argument(
        "--padding-mode", metavar="MODE", help="zeros (default), reflect, replicate or circular"
    )


def numbers(text: str) -> int | tuple[int, ...]:
    """ "3" as an integer, "3,1" as a tuple."""
    values = tuple(int(part) for part in text.split(","))
    return values[0] if len(values) == 1 else values


def padding(text: str) -> str | int | tuple[int, ...]:
    return text if text in ("same", "valid") else numbers(text)


def problems(arguments: argparse.Namespace) -> list[str]:
    """The problem strings that were given; none if there are files. Anything in between is refused."""
    given = arguments.problem if isinstance(arguments.problem, list) else [arguments.problem]
    found = [text for text in (*given, arguments.shape) if text is not None]
    if not found and not arguments.input:
        raise ValueError(
            f"a problem string or --input X.npy is needed; see python -m pyconv {arguments.command} --help"
        )
    if found and arguments.input:
        raise ValueError(f"give a problem string or --input, not both: got {found[0]} and {arguments.input}")
    mixed = [name for name in _OF_FILES if found and getattr(arguments, name, None) is not None]
    if mixed:
        raise ValueError(
            f"--{mixed[0].replace('_', '-')} belongs to --input; a problem string says it itself: {found[0]}"
        )
    return found


def from_files(arguments: argparse.Namespace) -> dict[str, Any]:
    """The call's arguments with arrays from files."""
    given = {name: getattr(arguments, name) for name in ("stride", "padding", "dilation")}
    call = {"x": _load(arguments.input)} | {name: v for name, v in given.items() if v is not None}
    if getattr(arguments, "pool", None):
        if arguments.kernel is None:
            raise ValueError("--pool needs --kernel")
        ceil_mode = bool(arguments.ceil_mode)
        return call | {"kernel_size": arguments.kernel, "ceil_mode": ceil_mode, "kind": arguments.pool}
    if not arguments.weight:
        more = ", or --pool max --kernel 3" if hasattr(arguments, "pool") else ""
        raise ValueError(f"--input needs --weight W.npy{more}")
    bias = _load(arguments.bias) if arguments.bias else None
    given = {name: getattr(arguments, name) for name in ("groups", "padding_mode")}
    return (
        call | {"w": _load(arguments.weight), "b": bias} | {n: v for n, v in given.items() if v is not None}
    )


def _load(path: str) -> Any:
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise ValueError(f"cannot read {path}: it is no .npy file of numbers ({error})") from None
