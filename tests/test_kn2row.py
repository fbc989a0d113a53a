"""One output channel a group by its taps: the same bits on every machine, in every layout, by any threads."""

import itertools

import numpy as np
import pytest
from cases import CONV, FUSED_ISAS, in_layout, same_bits

import pyconv
from pyconv.testing import ConvCase

# Bands of rows and of columns, slabs that begin with rows already done, planes, taps outside for whole rows.
CASES = [
    ConvCase(in_ch=channels, out_ch=groups, groups=groups, bias=True, residual=True, **shape)
    for (channels, groups), shape in itertools.product(
        ((17, 1), (40, 1), (6, 3)),
        (
            {"size": (7, 7), "kernel": (3, 3), "padding": 1},
            {"size": (60, 61), "kernel": (5, 3), "padding": 2, "dilation": (3, 2), "activation": "relu6"},
            {"size": (3, 4), "kernel": (3, 4), "padding": 5, "dilation": (1, 2)},
            {"size": (9001,), "kernel": (7,), "padding": 3},
            {"size": (33, 70), "kernel": (1, 9)},
            {"size": (4, 6, 19), "kernel": (3, 2, 3), "padding": 1},
        ),
    )
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_do_not_depend_on_machine_layout_or_threads(case, dtype):
    arguments = case.arguments("dense", dtype)
    with pyconv.options(isa=FUSED_ISAS[0], num_threads=1):
        expected = CONV[case.rank](**arguments, algorithm="kn2row")
    for isa, layout, threads in itertools.product(
        FUSED_ISAS, ("channels_first", "channels_last", "strided"), (1, 3)
    ):
        placed = arguments | {k: in_layout(arguments[k], layout, True) for k in ("input", "residual")}
        with pyconv.options(isa=isa, num_threads=threads):
            result = CONV[case.rank](**placed, algorithm="kn2row")
        assert same_bits(result, expected), (isa, layout, threads)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_small_integers_are_exact_and_weights_may_be_views(case):
    arguments = case.arguments("exact", np.float32)
    expected = CONV[case.rank](**arguments, algorithm="naive")
    assert same_bits(CONV[case.rank](**arguments, algorithm="kn2row"), expected)
    flipped = np.ascontiguousarray(arguments["weight"][..., ::-1])[..., ::-1]
    assert same_bits(CONV[case.rank](**(arguments | {"weight": flipped}), algorithm="kn2row"), expected)


@pytest.mark.parametrize(
    ("problem", "rule"),
    [
        ("c16h8w8_k2r3s3p1", "one output channel per group, this has 2"),
        ("c16h8w8_k1r3s3p1u2", "stride 1, this has 2"),
        ("c16h8w8_k1r1s1", "the kernel is 1"),
        ("c16h8w8_k1r3s3p1_reflect", "zeros only"),
    ],
)
def test_refusals_say_why(problem, rule):
    with pytest.raises(ValueError, match=rule):
        pyconv.plan(problem, algorithm="kn2row")


def test_auto_takes_it_for_one_output_channel_of_many():
    assert pyconv.plan("n1c64h64w64_k1r3s3p1").algorithm == "kn2row"
    assert pyconv.plan("n1c512h28w28_k1r3s3p1").algorithm == "kn2row"
    assert pyconv.plan("n1c4h64w64_k1r7s7p3").algorithm == "direct"
    assert pyconv.plan("n1c64h64w64_k4r5s5p2").algorithm != "kn2row"
