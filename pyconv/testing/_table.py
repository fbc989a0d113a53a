"""The table of problems that find mistakes in convolutions: edges of tiles, vectors, chains, borders, and
nothing.

Sizes lie at and beside 2^i * j, where tiles and vectors end. The families at the top each vary one thing;
COMBINED covers every pair of levels of FACTORS at least once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from ._case import ConvCase

# Output channels and output widths around vectors of 4, 8 and 16 lanes and tiles of 6, 8 and 14 rows.
EDGES = (1, 2, 3, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 24, 28, 31, 32, 33, 47, 48, 49)

CHANNEL_EDGES = tuple(
    ConvCase(in_ch=3, out_ch=n, size=(3, 9), kernel=(2, 3), bias=True) for n in (*EDGES, 64, 65)
)
WIDTH_EDGES = tuple(ConvCase(in_ch=5, out_ch=4, size=(2, n + 2), kernel=(1, 3)) for n in EDGES)
KERNELS = tuple(ConvCase(in_ch=4, out_ch=9, size=(9, 10), kernel=(k, k), padding=k // 2) for k in range(1, 8))

# Sums of about 256 and 512 terms and their multiples: where an accumulation chain may end.
CHAINS = (
    *(ConvCase(in_ch=n, out_ch=5, size=(2, 3), kernel=(1, 1)) for n in (255, 256, 257, 511, 512, 513, 1025)),
    *(ConvCase(in_ch=n, out_ch=17, size=(4, 9), kernel=(3, 3), padding=1) for n in (28, 29, 56, 57, 58, 114)),
    *(ConvCase(in_ch=n, out_ch=3, size=(70,), kernel=(31,), padding="same") for n in (8, 9, 16, 17, 33)),
    ConvCase(in_ch=3, out_ch=2, size=(24, 25), kernel=(23, 24)),
    ConvCase(in_ch=10, out_ch=4, size=(4, 5, 6), kernel=(3, 3, 3), padding=1),
)

GROUPS = (
    ConvCase(in_ch=4, out_ch=6, size=(5, 6), kernel=(3, 3), groups=2, padding=1, bias=True),
    ConvCase(in_ch=34, out_ch=34, size=(3, 7), kernel=(1, 1), groups=2),
    ConvCase(in_ch=17, out_ch=17, size=(9, 8), kernel=(3, 3), groups=17, padding=1, bias=True),
    ConvCase(in_ch=33, out_ch=66, size=(5, 5), kernel=(3, 3), groups=33, stride=2, padding=1),
    ConvCase(in_ch=16, out_ch=16, size=(40,), kernel=(7,), groups=16, padding=3),
    ConvCase(in_ch=3, out_ch=51, size=(7, 7), kernel=(2, 2), groups=3, dilation=2),
)

BORDERS = tuple(
    ConvCase(
        in_ch=3, out_ch=4, size=size, kernel=kernel, padding=padding, padding_mode=mode, dilation=dilation
    )
    for mode in ("zeros", "reflect", "replicate", "circular")
    for size, kernel, padding, dilation in (
        ((9,), (4,), "same", 1),
        ((5,), (3,), 4, 2),
        ((6, 7), (3, 2), "same", 2),
        ((5, 6), (3, 3), ((0, 2), (3, 1)), 1),
        ((4, 5, 6), (2, 3, 3), (1, 0, 2), 1),
        ((3, 4, 5), (2, 2, 2), "same", 1),
    )
)

STRIDES = (
    ConvCase(
        in_ch=3, out_ch=17, size=(21, 21), kernel=(7, 7), stride=2, padding=3, bias=True, activation="relu"
    ),
    ConvCase(in_ch=8, out_ch=8, size=(8, 9), kernel=(3, 3), stride=(2, 1), padding=1),
    ConvCase(in_ch=8, out_ch=8, size=(8, 9), kernel=(1, 1), stride=2),
    ConvCase(in_ch=2, out_ch=3, size=(30,), kernel=(2,), stride=3),
    ConvCase(in_ch=2, out_ch=3, size=(7, 30), kernel=(3, 5), stride=(3, 4), dilation=(2, 3), padding=(1, 6)),
    ConvCase(in_ch=2, out_ch=3, size=(5, 5), kernel=(2, 2), stride=9),
)

EPILOGUES = tuple(
    ConvCase(2, 18, (6, 7), (3, 3), padding=1, bias=bias, residual=residual, activation=activation)
    for bias, residual, activation in (
        (True, True, None),
        (False, True, "relu"),
        (True, False, "relu6"),
        (True, True, ("clip", -3.0, 5.0)),
        (False, False, ("clip", -1.5, float("inf"))),
    )
)

LONG = (
    ConvCase(in_ch=1, out_ch=1, size=(20_000,), kernel=(3,), padding=1),
    ConvCase(in_ch=3, out_ch=5, size=(5_003,), kernel=(9,), stride=2),
    ConvCase(in_ch=2, out_ch=2, size=(2, 3_001), kernel=(2, 3), padding=(0, 1)),
)

EMPTY = (
    ConvCase(in_ch=2, out_ch=3, size=(4, 5), kernel=(3, 3), batch=0),
    ConvCase(in_ch=0, out_ch=3, size=(4, 5), kernel=(3, 3), bias=True),
    ConvCase(in_ch=0, out_ch=3, size=(4, 5), kernel=(3, 3), bias=True, residual=True, activation="relu"),
    ConvCase(in_ch=2, out_ch=0, size=(4, 5), kernel=(3, 3)),
    ConvCase(in_ch=2, out_ch=3, size=(0, 5), kernel=(3, 3), padding=(2, 0), bias=True),
    ConvCase(in_ch=2, out_ch=3, size=(0,), kernel=(2,), padding=1, batch=2),
)

UNBATCHED = (
    ConvCase(in_ch=2, out_ch=3, size=(11,), kernel=(4,), batch=None, bias=True),
    ConvCase(in_ch=3, out_ch=4, size=(6, 7), kernel=(3, 3), batch=None, padding="same", residual=True),
    ConvCase(in_ch=2, out_ch=2, size=(4, 4, 5), kernel=(2, 3, 2), batch=None, stride=2),
)

# The levels of what COMBINED combines. A level of `out` is the output width, which the input is derived from.
FACTORS: dict[str, tuple[Any, ...]] = {
    "rank": (1, 2, 3),
    "batch": (1, 2, None),
    "out": (1, 4, 7, 13, 16, 17, 33),
    "rows": (1, 2, 5),
    "out_ch": (1, 4, 7, 16, 17, 33),
    "in_ch": (1, 2, 3, 8, 17),
    "groups": (1, 2, 3),
    "kernel": (1, 2, 3, 4, 5, 7),
    "kernel_rows": (1, 2, 3),
    "stride": (1, 2, 3),
    "dilation": (1, 2, 3),
    "padding": (0, 1, 2, (0, 1), (3, 0)),
    "padding_mode": ("zeros", "reflect", "replicate", "circular"),
    "bias": (False, True),
    "residual": (False, True),
    "activation": (None, "relu", "relu6", ("clip", -4.0, 4.0)),
}


def _pairwise(factors: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Rows of levels that together contain every pair of levels of two different factors; greedy."""
    names = list(factors)
    missing = {
        (a, i, b, j)
        for a, b in combinations(range(len(names)), 2)
        for i in range(len(factors[names[a]]))
        for j in range(len(factors[names[b]]))
    }

    def covered(row: dict[int, int], factor: int, level: int) -> int:
        """How many missing pairs `level` would complete with the levels chosen so far."""
        return sum(_pair(factor, level, other, chosen) in missing for other, chosen in row.items())

    while missing:
        a, i, b, j = min(missing)
        row = {a: i, b: j}
        for factor in range(len(names)):
            if factor not in row:
                levels = range(len(factors[names[factor]]))
                row[factor] = max(levels, key=lambda level: covered(row, factor, level))
        missing -= {_pair(f, row[f], g, row[g]) for f, g in combinations(row, 2)}
        yield {names[factor]: factors[names[factor]][level] for factor, level in sorted(row.items())}


def _pair(a: int, i: int, b: int, j: int) -> tuple[int, int, int, int]:
    return (a, i, b, j) if a < b else (b, j, a, i)


def _combined(row: dict[str, Any]) -> ConvCase:
    rank, groups = row["rank"], row["groups"]
    padding = row["padding"]
    begin, end = padding if isinstance(padding, tuple) else (padding, padding)
    least = {"zeros": 1, "reflect": max(begin, end) + 1, "replicate": 1, "circular": max(begin, end, 1)}
    outs = (row["rows"],) * (rank - 1) + (row["out"],)
    kernel = (row["kernel_rows"],) * (rank - 1) + (row["kernel"],)
    size = tuple(
        max(
            (out - 1) * row["stride"] + row["dilation"] * (k - 1) + 1 - begin - end,
            least[row["padding_mode"]],
        )
        for out, k in zip(outs, kernel, strict=True)
    )
    return ConvCase(
        in_ch=row["in_ch"] * groups,
        out_ch=row["out_ch"] * groups,
        size=size,
        kernel=kernel,
        padding=((begin, end),) * rank if begin != end else begin,
        **{name: row[name] for name in ("batch", "stride", "dilation", "groups", "padding_mode")},
        **{name: row[name] for name in ("bias", "residual", "activation")},
    )


COMBINED = tuple(dict.fromkeys(map(_combined, _pairwise(FACTORS))))

CASES: tuple[ConvCase, ...] = (
    *CHANNEL_EDGES,
    *WIDTH_EDGES,
    *KERNELS,
    *CHAINS,
    *GROUPS,
    *BORDERS,
    *STRIDES,
    *EPILOGUES,
    *LONG,
    *EMPTY,
    *UNBATCHED,
    *COMBINED,
)
