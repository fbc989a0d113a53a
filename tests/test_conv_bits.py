"""Promise 1: for a given problem and algorithm every output element has the same bits, whatever computes it.

Random floats: every sum rounds, so that another order of additions shows. The no-FMA baseline is outside the
promise across instruction sets, and inside it for everything else.
"""

import itertools

import numpy as np
import pytest
from cases import (
    BIG_CASES,
    CASES,
    CONV,
    DIRECT_FAMILY,
    DTYPES,
    FEW_CASES,
    FUSED_ISAS,
    ISAS,
    LAYOUTS,
    ConvCase,
    in_layout,
    refusal,
    run,
    same_bits,
    ways,
)

import pyconv


@pytest.mark.parametrize("case", CASES, ids=str)
def test_direct_and_im2col_share_bits(case):
    if refusal(case, "direct"):
        assert refusal(case, "im2col")
        return
    for dtype in DTYPES:
        arguments = case.arguments("dense", dtype)
        for isa in ISAS:
            results = [run(arguments, algorithm=name, isa=isa) for name in DIRECT_FAMILY]
            assert same_bits(*results), (dtype, isa)


@ways(BIG_CASES)
def test_threads(case, algorithm):
    arguments = case.arguments("dense")
    for isa in ISAS:
        for layout in ("channels_first", "channels_last"):
            alone = run(arguments, algorithm=algorithm, isa=isa, num_threads=1, layout=layout)
            for threads in (2, 3, 4, 13):
                with pyconv.options(algorithm=algorithm, isa=isa, num_threads=threads):
                    assert pyconv.plan(**arguments).threads == threads
                result = run(arguments, algorithm=algorithm, isa=isa, num_threads=threads, layout=layout)
                assert same_bits(result, alone), (isa, layout, threads)


@ways([*FEW_CASES, *BIG_CASES])
@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts_and_instruction_sets(case, algorithm, dtype):
    arguments = case.arguments("dense", dtype)
    reference = {isa: run(arguments, algorithm=algorithm, isa=isa, num_threads=1) for isa in ISAS}
    for isa in FUSED_ISAS:
        assert same_bits(reference[isa], reference[FUSED_ISAS[0]]), isa
    for isa in ISAS:
        for layout in LAYOUTS:
            result = run(arguments, algorithm=algorithm, isa=isa, layout=layout)
            assert same_bits(result, reference[isa]), (isa, layout)
        out = in_layout(np.empty_like(reference[isa]), "strided", case.batch is not None)
        run(arguments, algorithm=algorithm, isa=isa, out=out)
        assert same_bits(np.ascontiguousarray(out), reference[isa]), isa


@ways(FEW_CASES)
def test_batch_and_position_in_the_batch(case, algorithm):
    one = case.arguments("dense")
    alone = run(one, algorithm=algorithm, num_threads=1)
    rng = np.random.default_rng(1)
    for position in range(5):
        batch = dict(one)
        for name in ("input", "residual"):
            if one[name] is not None:
                batch[name] = rng.standard_normal((5, *one[name].shape[1:]), dtype=np.float32)
                batch[name][position] = one[name][0]
        for layout in ("channels_first", "channels_last"):
            result = run(batch, algorithm=algorithm, layout=layout)
            assert same_bits(result[position : position + 1], alone), (position, layout)


@pytest.mark.parametrize("case", FEW_CASES, ids=str)
def test_more_output_channels_change_no_bits(case):
    """Tiles and packed forms depend on the number of output channels; an output element does not."""
    if case.groups > 1:
        case = ConvCase(**(case.__dict__ | {"groups": 1}))
    arguments = case.arguments("dense")
    whole = run(arguments, algorithm="direct")
    for channels in {1, case.out_ch // 2, case.out_ch - 1} - {0}:
        part = arguments | {"weight": arguments["weight"][:channels]}
        for name, axis in (("bias", 0), ("residual", 1)):
            if arguments[name] is not None:
                part[name] = np.take(arguments[name], range(channels), axis=axis)
        assert same_bits(run(part, algorithm="direct"), np.ascontiguousarray(whole[:, :channels])), channels


@pytest.mark.parametrize("width", [1, 13, 14, 15, 200, 201, 700])
@pytest.mark.parametrize("algorithm", DIRECT_FAMILY)
def test_a_wider_image_changes_no_bits(width, algorithm):
    """Another width means other tiles, kernels and bands."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 65, 3, 800), dtype=np.float32)
    for kernel in ((1, 1), (3, 3), (2, 5)):
        w = rng.standard_normal((6, 65, *kernel), dtype=np.float32)
        whole = pyconv.conv2d(x, w, algorithm=algorithm)
        part = pyconv.conv2d(np.ascontiguousarray(x[..., : width + kernel[1] - 1]), w, algorithm=algorithm)
        assert same_bits(part, np.ascontiguousarray(whole[..., :width])), kernel


def test_auto_sees_one_image_only():
    """The choice is a function of one image's problem: not of batch, threads, instruction set or layout."""
    for case in FEW_CASES:
        arguments = case.arguments("dense")
        chosen = set()
        for isa in ISAS:
            for threads in (1, 4):
                for repeats in (1, 3):
                    batch = {
                        name: None if arguments[name] is None else np.repeat(arguments[name], repeats, axis=0)
                        for name in ("input", "residual")
                    }
                    for layout in LAYOUTS:
                        placed = {name: in_layout(array, layout, True) for name, array in batch.items()}
                        with pyconv.options(isa=isa, num_threads=threads):
                            chosen.add(pyconv.plan(**(arguments | placed)).algorithm)
        assert len(chosen) == 1, case


def test_rank_is_only_a_view():
    """1-D and 2-D are the 3-D case with unit dimensions: the same bits."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 19, 40), np.float32), rng.standard_normal((7, 19, 5), np.float32)
    flat = pyconv.conv1d(x, w, stride=2, padding=3, dilation=2)
    for rank in (2, 3):
        unit = (1,) * (rank - 1)
        deep = CONV[rank](
            x.reshape(2, 19, *unit, 40),
            w.reshape(7, 19, *unit, 5),
            stride=(*unit, 2),
            padding=(*(0,) * (rank - 1), 3),
            dilation=(*unit, 2),
        )
        assert same_bits(deep.reshape(flat.shape), flat)


@pytest.mark.parametrize("bias", [None, -0.0])
@pytest.mark.parametrize("groups", [1, 4, 16])
def test_a_sum_that_underflows_has_the_same_sign_whatever_is_left_out(groups, bias):
    """Taps in padding add +0 where they are computed, which would turn a sum of -0 into +0."""
    x = np.full((1, 16, 1, 33), -1e-30, np.float32)
    w = np.full((16, 16 // groups, 3, 3), 1e-30, np.float32)  # every product underflows to -0
    b = None if bias is None else np.full(16, bias, np.float32)
    for layout, algorithm, isa in itertools.product(
        ("channels_first", "channels_last"), ("direct", "im2col", "depthwise", "grouped"), FUSED_ISAS
    ):
        if groups != {"depthwise": 16, "grouped": 4}.get(algorithm, groups):
            continue
        with pyconv.options(isa=isa):
            result = pyconv.conv2d(
                in_layout(x, layout, True), w, b, padding=1, groups=groups, algorithm=algorithm
            )
        assert not np.signbit(result).any(), (layout, algorithm, isa)
