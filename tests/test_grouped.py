"""Grouped convolution with few channels a group: the bits of the direct algorithm whatever runs it."""

import itertools

import numpy as np
import pytest
from cases import CONV, FUSED_ISAS, in_layout, same_bits

import pyconv
from pyconv.testing import ConvCase

# Groups around the vector lengths, full and partial strips of channels, every arrangement of the taps.
CASES = [
    ConvCase(in_ch=channels, out_ch=channels, groups=channels // per_group, bias=True, residual=True, **shape)
    for (channels, per_group), shape in itertools.product(
        ((4, 2), (32, 4), (24, 4), (8, 4), (48, 8), (40, 8)),
        (
            {"size": (7, 7), "kernel": (3, 3), "padding": 1},
            {"size": (15, 31), "kernel": (3, 3), "padding": 1, "stride": 2, "activation": "relu6"},
            {"size": (20, 33), "kernel": (3, 2), "padding": 4, "dilation": (2, 4)},
            {"size": (12, 13), "kernel": (5, 5), "padding": 2, "padding_mode": "reflect"},
            {"size": (90,), "kernel": (4,), "padding": 3, "dilation": 2},
            {"size": (11, 14), "kernel": (1, 1)},
            {"size": (4, 6, 19), "kernel": (3, 3, 3), "padding": 1},
        ),
    )
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_of_direct_on_any_machine_layout_and_thread_count(case, dtype):
    arguments = case.arguments("dense", dtype)
    expected = CONV[case.rank](**arguments, algorithm="direct")
    for isa, layout, threads in itertools.product(
        FUSED_ISAS, ("channels_first", "channels_last", "strided"), (1, 3)
    ):
        placed = arguments | {k: in_layout(arguments[k], layout, True) for k in ("input", "residual")}
        with pyconv.options(isa=isa, num_threads=threads):
            result = CONV[case.rank](**placed, algorithm="grouped")
        assert same_bits(result, expected), (isa, layout, threads)


@pytest.mark.parametrize(
    ("problem", "rule"),
    [
        ("c16h8w8_k16r3s3p1", "1 group of 16 and 16"),
        ("c16h8w8_k16r3s3p1g16", "groups of 1 and 1"),
        ("c12h8w8_k24r3s3p1g3", "groups of 4 and 8"),
        ("c8h40w40_k8r20s20g1", "1 group of 8 and 8"),
        ("c8h1200w1200_k8r600s600g2", "more than one chain|MB of scratch, the limit is"),
    ],
)
def test_refusals_say_why(problem, rule):
    with pytest.raises(ValueError, match=rule):
        pyconv.plan(problem, algorithm="grouped")


def test_auto_takes_it_for_resnext_and_leaves_wider_groups_to_direct():
    assert pyconv.plan("n1c128h56w56_k128r3s3p1g32_f32").algorithm == "grouped"
    assert pyconv.plan("n1c256h28w28_k256r3s3p1g32_f32").algorithm == "grouped"
    assert pyconv.plan("n1c512h14w14_k512r3s3p1u2g32_f32").algorithm == "direct"
