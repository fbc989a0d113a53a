"""Problem strings, the same ones that the C++ library prints: "n1c64h56w56_k64r3s3p1u2_f32_bias".

`n` batch, `c` in_ch, `d h w` input size; `k` out_ch, `t r s` kernel, `p` padding, `u` stride,
`l` dilation, `g` groups. A number for each dimension is written "u1x2", begin and end padding
"p0:1x0:1". A pooling names its kind where a convolution has `k`: "n1c64h112w112_maxr3s3p1u2".
"""

from __future__ import annotations

import csv
import dataclasses
import re
from pathlib import Path

from pyconv.bench.cases import CONV, Case, Sizes, read_csv

EXAMPLES = "n1c64h56w56_k64r3s3p1u2 or n1c64h112w112_maxr3s3p1u2"
_POOL_WORDS = {"max": "max_pool", "avg": "avg_pool"}
_DTYPES = {"f32": "float32", "f64": "float64"}
_EACH = r"\d+(?:x\d+)*"
_GRAMMAR = re.compile(
    r"(?:n(?P<n>\d+))?c(?P<c>\d+)(?:d(?P<d>\d+))?(?:h(?P<h>\d+))?w(?P<w>\d+)"
    r"_(?:k(?P<k>\d+)|(?P<pool>max|avg))(?:t(?P<t>\d+))?(?:r(?P<r>\d+))?s(?P<s>\d+)"
    rf"(?:p(?P<p>\d+:\d+(?:x\d+:\d+)*|{_EACH}))?(?:u(?P<u>{_EACH}))?(?:l(?P<l>{_EACH}))?(?:g(?P<g>\d+))?"
    r"(?P<flags>(?:_[a-z0-9]+)*)"
)


def parse_case(text: str) -> Case:
    match = _GRAMMAR.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"cannot read the problem string {text!r}; write it like {EXAMPLES}")
    in_size = _present(match, "dhw")
    kernel = _present(match, "trs")
    ndim = len(in_size)
    if len(kernel) != ndim:
        raise ValueError(
            f"input and kernel must have the same number of dimensions; "
            f"got {ndim} and {len(kernel)} in {text!r}"
        )
    in_ch = int(match["c"])
    pad_begin, pad_end = _pads(match["p"], ndim, text)
    case = Case(
        op=CONV if match["k"] else _POOL_WORDS[match["pool"]],
        ndim=ndim,
        batch=int(match["n"] or 1),
        in_ch=in_ch,
        out_ch=int(match["k"] or in_ch),
        groups=int(match["g"] or 1),
        in_size=in_size,
        kernel=kernel,
        stride=_each(match["u"], ndim, 1, text),
        pad_begin=pad_begin,
        pad_end=pad_end,
        dilation=_each(match["l"], ndim, 1, text),
        bias=False,
        source="command line",
    )
    return _checked(_with_flags(case, match["flags"], text), text)


def read_table(path: Path) -> list[Case]:
    """Cases of a CSV: either a column `problem` (and optionally network, name, count), or the full schema."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or rows[0].get("problem") is None:
        return list(read_csv(path))
    cases = []
    for number, row in enumerate(rows, start=2):
        try:
            labels = (row.get("network") or "", row.get("name") or "", int(row.get("count") or 1))
            cases.append(_labelled(parse_case(row["problem"]), path.name, *labels))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    return cases


def _labelled(case: Case, source: str, network: str, name: str, count: int) -> Case:
    return dataclasses.replace(case, source=source, network=network, name=name, count=count)


def format_case(case: Case) -> str:
    first = 3 - case.ndim
    size = "".join(f"{axis}{value}" for axis, value in zip("dhw"[first:], case.in_size, strict=True))
    kernel = "".join(f"{axis}{value}" for axis, value in zip("trs"[first:], case.kernel, strict=True))
    words = {CONV: f"k{case.out_ch}", "max_pool": "max", "avg_pool": "avg"}
    text = f"n{case.batch}c{case.in_ch}{size}_{words.get(case.op, case.op)}{kernel}"
    text += _format_pads(case) + _repeated("u", case.stride, 1) + _repeated("l", case.dilation, 1)
    if case.groups != 1:
        text += f"g{case.groups}"
    text += "_f32" if case.dtype == "float32" else "_f64"
    if case.bias:
        text += "_bias"
    if case.ceil_mode:
        text += "_ceil"
    if case.op == "avg_pool" and not case.count_include_pad:
        text += "_nopad"
    return text


def _present(match: re.Match[str], letters: str) -> Sizes:
    return tuple(int(match[letter]) for letter in letters if match[letter] is not None)


def _each(text: str | None, ndim: int, default: int, whole: str) -> Sizes:
    if text is None:
        return (default,) * ndim
    values = tuple(int(value) for value in text.split("x"))
    if len(values) == 1:
        return values * ndim
    if len(values) != ndim:
        raise ValueError(f"one number or one per dimension is needed ({ndim}); got {text!r} in {whole!r}")
    return values


def _pads(text: str | None, ndim: int, whole: str) -> tuple[Sizes, Sizes]:
    if text is None or ":" not in text:
        pads = _each(text, ndim, 0, whole)
        return pads, pads
    pairs = [tuple(int(value) for value in pair.split(":")) for pair in text.split("x")]
    if len(pairs) != ndim:
        raise ValueError(f"begin:end is needed for each of {ndim} dimensions; got {text!r} in {whole!r}")
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)


def _with_flags(case: Case, flags: str, text: str) -> Case:
    changes: dict[str, object] = {}
    for flag in flags.split("_")[1:]:
        if flag in _DTYPES:
            changes["dtype"] = _DTYPES[flag]
        elif flag == "bias" and case.is_conv:
            changes["bias"] = True
        elif flag == "ceil" and not case.is_conv:
            changes["ceil_mode"] = True
        elif flag == "nopad" and case.op == "avg_pool":
            changes["count_include_pad"] = False
        else:
            raise ValueError(
                f"the benchmark knows the flags f32, f64, bias, ceil, nopad; got {flag!r} in {text!r}"
            )
    return dataclasses.replace(case, **changes)  # type: ignore[arg-type]


def _checked(case: Case, text: str) -> Case:
    """Refuse what could only fail later, inside somebody's kernel."""
    if case.is_conv and (case.groups < 1 or case.in_ch % case.groups or case.out_ch % case.groups):
        raise ValueError(
            f"in_ch and out_ch must be divisible by groups; "
            f"got {case.in_ch}, {case.out_ch} and {case.groups} in {text!r}"
        )
    if not case.is_conv and case.groups != 1:
        raise ValueError(f"a pooling has no groups; got g{case.groups} in {text!r}")
    if min(*case.kernel, *case.stride, *case.dilation) < 1:
        raise ValueError(f"kernel, stride and dilation must be at least 1 in {text!r}")
    if min(case.output_shape[:2]) < 1:
        raise ValueError(f"batch and channels must be at least 1 in {text!r}")
    if min(case.out_size) < 1:
        raise ValueError(f"the kernel must fit into the padded input in {text!r}:\n{_size_rules(case)}")
    return case


def _size_rules(case: Case) -> str:
    """Where the output's size comes from, as the library's own errors say it."""
    from pyconv._explain.axes import SlidingAxis
    from pyconv._explain.shape import axis_names

    numbers = zip(case.in_size, case.kernel, case.stride, case.dilation, strict=True)
    borders = zip(case.pad_begin, case.pad_end, strict=True)
    axes = (
        SlidingAxis(*n, border, ceil_mode=case.ceil_mode) for n, border in zip(numbers, borders, strict=True)
    )
    return "\n".join(axis.rule(name) for name, axis in zip(axis_names(case.ndim), axes, strict=True))


def _repeated(letter: str, values: Sizes, default: int) -> str:
    if set(values) == {default}:
        return ""
    return letter + (str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values)))


def _format_pads(case: Case) -> str:
    if case.pad_begin == case.pad_end:
        return _repeated("p", case.pad_begin, 0)
    return "p" + "x".join(f"{a}:{b}" for a, b in zip(case.pad_begin, case.pad_end, strict=True))
