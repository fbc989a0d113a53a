"""Depthwise convolution: the bits of the direct algorithm whatever runs it, and what is its own."""

import itertools

import numpy as np
import pytest
from cases import CONV, FUSED_ISAS, in_layout, same_bits

import pyconv
from pyconv.bench.data import placed
from pyconv.testing import ConvCase

MAX_SCRATCH = 16 << 20

# Channels around the vector lengths, rows around tile sizes, strides and dilations that share taps or do not.
CASES = [
    ConvCase(in_ch=channels, out_ch=channels * multiplier, groups=channels, bias=True, residual=True, **shape)
    for channels, multiplier, shape in itertools.product(
        (1, 3, 8, 16, 37),
        (1, 2, 3),
        (
            {"size": (7, 7), "kernel": (3, 3), "padding": 1},
            {"size": (15, 29), "kernel": (3, 3), "padding": 1, "stride": 2, "activation": "relu6"},
            {"size": (17, 70), "kernel": (5, 5), "padding": 2},
            {"size": (12, 13), "kernel": (7, 7), "padding": 3, "padding_mode": "reflect"},
            {"size": (20, 33), "kernel": (3, 3), "padding": 4, "dilation": 4},
            {"size": (9, 40), "kernel": (2, 4), "padding": ((0, 1), (2, 1)), "stride": (1, 4)},
            {"size": (11, 14), "kernel": (4, 1), "stride": 3, "dilation": (2, 1)},
            {"size": (10, 18), "kernel": (3, 3), "padding": 2, "dilation": 2, "padding_mode": "circular"},
            {"size": (130,), "kernel": (31,), "padding": 15},
            {"size": (131,), "kernel": (4,), "padding": 3, "activation": ("clip", -0.5, 0.5)},
            {"size": (64,), "kernel": (5,), "padding": 4, "stride": 2, "dilation": 2},
            {"size": (4, 6, 19), "kernel": (3, 3, 3), "padding": 1},
            {"size": (5, 7, 9), "kernel": (2, 3, 3), "padding": 1, "stride": 2, "padding_mode": "circular"},
        ),
    )
] + [
    # Channels for several threads, with a rest that fills no vector; bands of columns, and of dilated rows.
    ConvCase(in_ch=channels, out_ch=channels, groups=channels, bias=True, **shape)
    for channels, shape in (
        (193, {"size": (3, 5), "kernel": (3, 3), "padding": 1}),
        (300, {"size": (21, 40), "kernel": (3, 3), "padding": 2, "dilation": 2}),
        (70, {"size": (4, 2600), "kernel": (3, 3), "padding": 1}),
        (40, {"size": (3, 12, 50), "kernel": (3, 5, 3), "padding": 2, "dilation": (1, 2, 1)}),
        (40, {"size": (9, 8, 30), "kernel": (3, 3, 3), "padding": 1}),
        (54, {"size": (6, 9, 23), "kernel": (3, 3, 3), "stride": (1, 2, 2), "padding": 1}),
        (24, {"size": (5, 4, 9), "kernel": (3, 2, 3), "dilation": (1, 2, 2), "padding": (3, 1, 2)}),
        (24, {"size": (11, 7, 9), "kernel": (5, 1, 1), "padding": (2, 0, 0)}),
        (24, {"size": (9, 2600), "kernel": (5, 1), "padding": (4, 0)}),
        (256, {"size": (9, 11), "kernel": (3, 3), "padding": 1}),
        # Rolled lines of five and seven taps, on wide maps, narrow ones, and some smaller than the kernel.
        (70, {"size": (31, 33), "kernel": (5, 5), "padding": 4, "dilation": 2}),
        (39, {"size": (35, 22), "kernel": (5, 5), "padding": ((1, 2), (2, 0)), "stride": 2}),
        (20, {"size": (6, 2), "kernel": (5, 5), "padding": 2, "activation": "relu"}),
        (300, {"size": (30, 14), "kernel": (7, 7), "padding": 3}),
        (23, {"size": (33, 3), "kernel": (7, 7), "padding": ((3, 2), (1, 3))}),
        (256, {"size": (9, 11), "kernel": (5, 5), "padding": 2}),
        # Few taps, and more than L2 holds.
        (272, {"size": (40, 41), "kernel": (2, 3), "padding": 1}),
        (130, {"size": (4, 31, 30), "kernel": (2, 2, 2), "padding": (1, 0, 1)}),
    )
] + [
    # Multipliers about a vector and beyond it, of tiles that begin in the middle of a channel's outputs.
    ConvCase(in_ch=channels, out_ch=channels * multiplier, groups=channels, bias=True, **shape)
    for channels, multiplier, shape in (
        (7, 5, {"size": (11, 23), "kernel": (3, 4), "padding": (1, 3)}),
        (3, 16, {"size": (9, 40), "kernel": (5, 5), "padding": 2, "stride": 2}),
        (5, 17, {"size": (6, 30), "kernel": (3, 3), "padding": 2, "dilation": 2}),
        (2, 40, {"size": (4, 9, 10), "kernel": (3, 2, 3), "padding": 1}),
        (130, 4, {"size": (5, 90), "kernel": (3, 3), "padding": 1, "activation": "relu"}),
    )
]  # fmt: skip


def run(case: ConvCase, arguments, algorithm, **settings):
    with pyconv.options(**settings):
        return CONV[case.rank](**arguments, algorithm=algorithm)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_of_direct_on_any_machine_layout_and_thread_count(case, dtype):
    arguments = case.arguments("dense", dtype)
    expected = run(case, arguments, "direct")
    for isa, layout, threads in itertools.product(
        FUSED_ISAS, ("channels_first", "channels_last", "strided"), (1, 3)
    ):
        placed = arguments | {k: in_layout(arguments[k], layout, True) for k in ("input", "residual")}
        result = run(case, placed, "depthwise", isa=isa, num_threads=threads)
        assert same_bits(result, expected), (isa, layout, threads)


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_bits_do_not_depend_on_the_batch(layout):
    case = ConvCase(
        batch=5, in_ch=20, out_ch=20, groups=20, size=(19, 23), kernel=(3, 3), padding=1, bias=True
    )
    arguments = case.arguments("dense")
    x = in_layout(arguments["input"], layout, True)
    whole = run(case, arguments | {"input": x}, "depthwise")
    for image in range(5):
        alone = run(case, arguments | {"input": x[image : image + 1]}, "depthwise")
        assert same_bits(whole[image : image + 1], alone)


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"),
    [(3, 1, 1), (3, 2, 1), (3, 1, 3), (3, 3, 2), (5, 1, 1), (5, 1, 2), (5, 2, 1), (7, 1, 1)],
)
def test_non_finite_values_stay_in_their_receptive_field(layout, bad, kernel, stride, dilation):
    rng = np.random.default_rng(7)
    channels, size = 35, 24
    x = rng.uniform(0.5, 1, (1, channels, size, size)).astype(np.float32)
    w = rng.uniform(0.5, 1, (channels, 1, kernel, kernel)).astype(np.float32)
    settings = {"stride": stride, "padding": 2, "dilation": dilation, "groups": channels}
    clean = pyconv.conv2d(x, w, **settings, algorithm="depthwise")
    for channel, row, column in ((0, 0, 0), (15, 11, 8), (16, 23, 23), (34, 5, 0)):
        dirty = x.copy()
        dirty[0, channel, row, column] = bad
        mark = np.zeros_like(x)
        mark[0, channel, row, column] = 1
        reached = pyconv.conv2d(mark, w, **settings, algorithm="naive") != 0
        result = pyconv.conv2d(in_layout(dirty, layout, True), w, **settings, algorithm="depthwise")
        assert reached.any()
        assert not np.isfinite(result[reached]).any()
        assert same_bits(result[~reached], clean[~reached])


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize(
    "case",
    [
        ConvCase(in_ch=18, out_ch=18, groups=18, size=(210, 220), kernel=(200, 201)),
        ConvCase(in_ch=18, out_ch=18, groups=18, size=(20_000,), kernel=(5_000,), padding=100),
        ConvCase(in_ch=9, out_ch=18, groups=9, size=(200_010,), kernel=(200_000,)),
        ConvCase(in_ch=18, out_ch=18, groups=18, size=(64, 64), kernel=(3, 3), padding=500, dilation=500),
        ConvCase(in_ch=2, out_ch=2, groups=2, size=(3, 400_000), kernel=(3, 3), padding=1),
        ConvCase(in_ch=64, out_ch=64, groups=64, size=(40, 40), kernel=(3, 3), padding=1, stride=1_000_000),
    ],
    ids=str,
)  # fmt: skip
def test_extreme_windows_are_exact_within_bounded_scratch(case, layout):
    arguments = case.arguments("exact")
    arguments["input"] = in_layout(arguments["input"], layout, True)
    plan = pyconv.plan(**arguments, algorithm="depthwise")
    assert plan.scratch_bytes_per_thread <= MAX_SCRATCH
    result = CONV[case.rank](**arguments, algorithm="depthwise")
    expected = CONV[case.rank](**arguments, algorithm="direct")
    assert np.array_equal(result, expected)


def placed_channels_last(array, offset):
    """A copy, channels-last, that begins `offset` bytes into a page."""
    return np.moveaxis(placed(np.moveaxis(array, 1, -1), offset), -1, 1)


EACH_CHANNEL = {"in_ch": 80, "out_ch": 80, "groups": 80, "bias": True}


@pytest.mark.parametrize("isa", FUSED_ISAS)
@pytest.mark.parametrize(
    "case",
    [
        ConvCase(**EACH_CHANNEL, size=(9, 33), kernel=(3, 3), padding=1),
        ConvCase(**EACH_CHANNEL, size=(9, 33), kernel=(3, 3), padding=1, stride=2),
        ConvCase(**EACH_CHANNEL, size=(12, 11), kernel=(5, 5), padding=2, residual=True, activation="relu6"),
        ConvCase(**EACH_CHANNEL, size=(9, 10), kernel=(7, 7), padding=3, residual=True),
        ConvCase(**EACH_CHANNEL, size=(6, 5, 9), kernel=(3, 3, 3), padding=1, activation="relu"),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_do_not_depend_on_where_the_array_begins(isa, case, dtype):
    """Vectors begin where memory is aligned, so that one of them may have the last and the first channels."""
    arguments = case.arguments("dense", dtype)
    conv = CONV[case.rank]
    expected = conv(**arguments, algorithm="direct")
    residual = arguments["residual"]
    others = {"residual": residual if residual is None else placed_channels_last(residual, 24)}
    for offset in range(0, 64, np.dtype(dtype).itemsize):
        moved = arguments | others | {"input": placed_channels_last(arguments["input"], offset)}
        for threads in (1, 3):
            with pyconv.options(isa=isa, num_threads=threads):
                assert same_bits(conv(**moved, algorithm="depthwise"), expected), offset
                out = np.full_like(expected, np.nan, order="C")  # channels-first
                conv(**moved, algorithm="depthwise", out=out)
                assert same_bits(out, expected), offset


@pytest.mark.parametrize("isa", FUSED_ISAS)
@pytest.mark.parametrize("stride", [1, 2])
def test_bits_do_not_depend_on_where_the_output_lies(isa, stride):
    """Pixels a multiple of 1 KB apart are copied first where loads would meet stores."""
    case = ConvCase(
        in_ch=256, out_ch=256, groups=256, size=(9, 7), kernel=(3, 3), padding=1, stride=stride, bias=True
    )
    arguments = case.arguments("dense")
    expected = CONV[2](**arguments, algorithm="direct")
    for begins, offset in itertools.product((0, 16, 20), (0, 16, 64, 128, 2048, 4032)):
        moved = arguments | {"input": placed_channels_last(arguments["input"], begins)}
        out = placed_channels_last(np.full_like(expected, np.nan), (begins + offset) % 4096)
        for threads in (1, 3):
            with pyconv.options(isa=isa, num_threads=threads):
                CONV[2](**moved, algorithm="depthwise", out=out)
            assert same_bits(out, expected), (begins, offset, threads)


def test_refusals_say_why():
    with pytest.raises(ValueError, match="one input channel per group, this has 2"):
        pyconv.plan("c4h8w8_k4r3s3p1g2", algorithm="depthwise")
    with pytest.raises(ValueError, match="MB of scratch, the limit is 16 MB"):
        pyconv.plan("c2h3000w3000_k2r2500s2500g2", algorithm="depthwise")


@pytest.mark.parametrize(
    "problem",
    [
        "c96h112w112_k96r3s3p1u2g96",
        "c672h14w14_k672r5s5p2g672",
        "c960h7w7_k960r3s3p1g960",
        "c96h56w56_k96r7s7p3g96",
        "c512w16000_k512s31p15g512",
        "c54d16h56w56_k54t3r3s3p1g54",
        "c32h28w28_k64r3s3p1g32",
    ],
)
def test_auto_takes_it_for_the_layers_it_is_made_for(problem):
    assert pyconv.plan(problem).algorithm == "depthwise"
