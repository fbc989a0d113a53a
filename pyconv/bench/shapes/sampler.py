"""Draws the benchmark set from the shapes of real networks: stratified, with a fixed seed, reproducible.

    python -m pyconv.bench.shapes.sampler        writes sample_layers.csv and sample_pools.csv again

A test draws the set again and compares it with the committed files, so no row can be removed after
measuring. Strata of convolutions are rank x kind (dense, dense 3x3, pointwise, grouped, depthwise, dilated,
strided) x wide or not (at least 64 channels on both sides). A stratum gets rows by the square root of its
size; inside it families not seen yet come first, and families still missing at the end get a row each.
Large layers are left out by one rule, stated here: more than MAX_MACS multiply-adds.
"""

from __future__ import annotations

import csv
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable

from pyconv.bench.cases import SHAPES, from_row

Row = dict[str, str]

SEED = 4
CONV_ROWS = 90
POOL_ROWS = 20
MAX_MACS = 3_000_000_000
BATCH_8_SHARE = 4  # every 4th row of a stratum is measured at batch 8
OWN_SETS = ("2d dense 3x3 wide",)  # judged as sets of their own: twice the rows of their size
FLOAT64_SHARE = 9  # every 9th row of the set is added once more in float64

# A family is the first pattern found in the network's lower-case name, or that name without digits.
FAMILIES = (
    *("deeplab", "efficientnet", "inception", "lraspp", "mobilenet", "mobilevit", "resnext", "retinanet"),
    *(
        "wide_resnet",
        "resnet",
        "shufflenet",
        "squeezenet",
        "ssdlite",
        "ssd",
        "convnext",
        "densenet",
        "regnet",
    ),
    *(
        "swin3d",
        "swin",
        "vgg",
        "wav2vec",
        "wavlm",
        "whisper",
        "unet",
        "raft",
        "srcnn",
        "i3d",
        "s3d",
        "x3d",
        "csn",
    ),
)


def family(network: str) -> str:
    name = network.lower()
    for known in FAMILIES:
        if known in name:
            return known
    return re.sub(r"[^a-z]", "", name)


def draw() -> tuple[list[Row], list[Row]]:
    """The sampled rows of layers and pools, in the schema of the full tables and a dtype column."""
    layers = [row for row in _read("all_layers.csv") if row["op"] == "conv"]
    layers = [row for row in layers if int(row["macs"]) <= MAX_MACS]
    sampled = _float64_rows(_stratified(layers, CONV_ROWS, _conv_kind))
    pools = [row for row in _read("all_pools.csv") if not row["op"].startswith("adaptive")]
    sampled_pools = _float64_rows(_stratified(pools, POOL_ROWS, _pool_kind))
    return sampled, sampled_pools


def _conv_kind(row: Row) -> str:
    case = from_row(row)
    return f"{case.kind} wide" if min(case.in_ch, case.out_ch) >= 64 else case.kind


def _pool_kind(row: Row) -> str:
    case = from_row(row)
    overlap = "overlapping" if any(k > s for k, s in zip(case.kernel, case.stride, strict=True)) else "tiling"
    return f"{case.op} {overlap}"


def _read(name: str) -> list[Row]:
    with open(SHAPES / name, newline="", encoding="utf-8") as file:
        return [row | {"dtype": row.get("dtype") or "float32"} for row in csv.DictReader(file)]


def _stratified(rows: list[Row], wanted: int, kind: Callable[[Row], str]) -> list[Row]:
    rng = random.Random(SEED)
    strata: dict[str, list[Row]] = defaultdict(list)
    for row in _distinct(rows):
        strata[f"{row['ndim']}d {kind(row)}"].append(row)
    weight = {name: len(stratum) ** 0.5 * (1 + (name in OWN_SETS)) for name, stratum in strata.items()}
    total = sum(weight.values())
    seen: set[str] = set()
    drawn: list[Row] = []
    for name in sorted(strata):
        quota = max(1, round(wanted * weight[name] / total))
        drawn += _draw_stratum(strata[name], quota, seen, rng)
    for row in _distinct(rng.sample(rows, len(rows))):
        if family(row["network"]) not in seen:
            seen.add(family(row["network"]))
            drawn.append(row)
    return [_at_batch_8(row) if index % BATCH_8_SHARE == 2 else row for index, row in enumerate(drawn)]


def _draw_stratum(stratum: list[Row], quota: int, seen: set[str], rng: random.Random) -> list[Row]:
    """Rows of unseen families first, otherwise at random."""
    left = rng.sample(stratum, len(stratum))
    drawn: list[Row] = []
    while left and len(drawn) < quota:
        best = min(left, key=lambda row: family(row["network"]) in seen)
        left.remove(best)
        seen.add(family(best["network"]))
        drawn.append(best)
    return drawn


def _distinct(rows: Iterable[Row]) -> list[Row]:
    """One row of each geometry: the first network that has it."""
    labels = {"source", "network", "name", "count", "bias"}
    first: dict[tuple[str, ...], Row] = {}
    for row in rows:
        first.setdefault(tuple(value for key, value in row.items() if key not in labels), row)
    return list(first.values())


def _at_batch_8(row: Row) -> Row:
    macs = int(row.get("macs") or 0)
    if int(row["n"]) != 1 or macs * 8 > MAX_MACS:
        return row
    return row | {"n": "8"} | ({"macs": str(macs * 8)} if macs else {})


def _float64_rows(rows: list[Row]) -> list[Row]:
    return rows + [row | {"dtype": "float64"} for row in rows[FLOAT64_SHARE // 2 :: FLOAT64_SHARE]]


def write() -> None:
    for name, rows in zip(("sample_layers.csv", "sample_pools.csv"), draw(), strict=True):
        with open(SHAPES / name, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        print(f"{name}: {len(rows)} rows")


if __name__ == "__main__":
    write()
