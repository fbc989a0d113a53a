"""A benchmark case says what the tables say, counts like a loop, and survives its own problem string."""

import csv
import dataclasses
import itertools

import pytest

from pyconv.bench import cases
from pyconv.bench.problem_string import format_case, parse_case, read_table
from pyconv.bench.shapes import sampler

ROWS = [
    row
    for name in ("all_layers.csv", "all_pools.csv")
    for row in csv.DictReader((cases.SHAPES / name).read_text().splitlines())
    if row["op"] != "conv_transpose"
]


def test_every_row_of_the_tables_gives_the_sizes_it_states():
    for row in ROWS:
        case = cases.from_row(row)
        assert case.out_size == cases._sizes(row, "out"), row
        if case.is_conv:
            assert case.macs == int(row["macs"]), row


def test_every_row_survives_its_problem_string():
    labels = dict.fromkeys(("network", "name", "source"), "") | {"count": 1}
    for row in ROWS:
        case = cases.from_row(row)
        if case.op.startswith("adaptive"):
            continue
        if case.op == "max_pool":
            case = dataclasses.replace(case, count_include_pad=True)
        again = parse_case(format_case(case))
        assert dataclasses.replace(again, **labels) == dataclasses.replace(case, **labels)


@pytest.mark.parametrize(
    "text",
    ["c2w11_k3s4", "c3h9w7_k4r3s2p2x1u2x3", "c4h6w5_k4r3s3p3l3g2", "c1d3h4w5_k2t2r3s1p1", "c1w3_k1s3p5u4"],
)
def test_operations_without_padding_are_counted_like_a_loop_would(text):
    case = parse_case(text)
    inside = 0
    for out in itertools.product(*map(range, case.out_size)):
        for tap in itertools.product(*map(range, case.kernel)):
            at = [
                o * s - p + t * d
                for o, s, p, t, d in zip(out, case.stride, case.pad_begin, tap, case.dilation, strict=True)
            ]
            inside += all(0 <= a < size for a, size in zip(at, case.in_size, strict=True))
    assert case.flops_without_padding == 2 * inside * case.batch * case.out_ch * case.in_ch // case.groups


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "write it like n1c64"),
        ("c4h8w8_k4s3", "same number of dimensions; got 2 and 1"),
        ("c4h8w8_k4r3s3u1x2x3", "one per dimension is needed"),
        ("c4h8w8_k4r3s3p1:2", "begin:end is needed for each of 2"),
        ("c4h8w8_k6r3s3g3", "divisible by groups; got 4, 6 and 3"),
        ("c4h8w8_k6r9s9", r"must fit into the padded input .*\n *height = floor\("),
        ("n0c4h8w8_k6r3s3", "at least 1"),
        ("c4h8w8_maxr2s2_bias", "got 'bias'"),
        ("c4h8w8_k4r3s3u0", "at least 1"),
    ],
)
def test_a_problem_string_that_cannot_be_meant_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        parse_case(text)


def test_unequal_ends_are_kept():
    case = parse_case("c4h8w8_k4r3s3p0:1x2:0")
    assert (case.pad_begin, case.pad_end) == ((0, 2), (1, 0))
    assert "p0:1x2:0" in format_case(case)


def test_equal_geometries_merge_with_their_counts():
    one = dataclasses.replace(parse_case("c4h8w8_k4r3s3"), network="a", count=2)
    two = dataclasses.replace(one, network="b", count=3)
    merged = cases.unique([one, two, parse_case("c4h8w8_k4r3s3p1")])
    assert [case.count for case in merged] == [5, 1]


def test_the_committed_set_is_what_the_sampler_draws():
    """No row can leave the set after it has been measured."""
    for name, drawn in zip(("sample_layers.csv", "sample_pools.csv"), sampler.draw(), strict=True):
        with open(cases.SHAPES / name, newline="") as file:
            assert list(csv.DictReader(file)) == drawn


def test_the_set_covers_what_it_promises():
    chosen = cases.benchmark_set()
    families = {sampler.family(case.network) for case in chosen}
    convolutions = [case for case in map(cases.from_row, ROWS) if not case.op.startswith("adaptive")]
    assert {sampler.family(case.network) for case in convolutions} <= families
    assert {(case.ndim, case.kind) for case in convolutions if case.is_conv} <= {
        (case.ndim, case.kind) for case in chosen
    }
    assert {case.dtype for case in chosen} == {"float32", "float64"}
    assert {1, 8} <= {case.batch for case in chosen if case.is_conv}
    assert {1, 8} <= {case.batch for case in chosen if not case.is_conv}


def test_a_csv_of_problem_strings_is_enough(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("problem,count,name\nn8c64h56w56_k64r3s3p1,3,block\nc64h112w112_maxr3s3p1u2,,\n")
    first, second = read_table(path)
    assert (format_case(first), first.count, first.name, first.source) == (
        "n8c64h56w56_k64r3s3p1_f32", 3, "block", "mine.csv",
    )  # fmt: skip
    assert (second.op, second.count) == ("max_pool", 1)
    assert read_table(cases.SHAPES / "extra.csv") == list(cases.read_csv(cases.SHAPES / "extra.csv"))
    path.write_text("problem\nc64h56w56_k64r3s3p1\nnonsense\n")
    with pytest.raises(ValueError, match=r"mine\.csv, line 3: cannot read the problem string 'nonsense'"):
        read_table(path)
