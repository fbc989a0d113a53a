"""Promise 5: every algorithm keeps the error bound that its registry row declares, on dense, sparse and
one-pixel
inputs; the bound itself comes from pyconv.testing, the right value from torch in float64."""

import numpy as np
import oracle
import pytest
from cases import CASES, CONV, DIRECT_FAMILY, DTYPES, FEW_CASES, ISAS, ConvCase, run, takers, ways

import pyconv
from pyconv.testing import assert_conv_close, error_bound


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("fill", ["dense", "sparse", "bright"])
def test_declared_bound(case, fill):
    for dtype in DTYPES:
        arguments = case.arguments(fill, dtype)
        expected = oracle.conv(**arguments)
        for algorithm in takers(case):
            for isa in ISAS:
                result = run(arguments, algorithm=algorithm, isa=isa)
                assert_conv_close(result, expected, **arguments, algorithm=algorithm, err_msg=isa)


@ways(FEW_CASES)
def test_an_elementwise_bound_says_something(case, algorithm):
    """It is never worse than that of one long chain."""
    plan = pyconv.plan(**case.arguments(), algorithm=algorithm)
    if plan.bound_kind == "elementwise":
        assert plan.exact_on_integers
        assert plan.bound_factor <= case.weight_shape[1] * np.prod(case.kernel) + 4


@pytest.mark.parametrize("algorithm", DIRECT_FAMILY)
def test_chains_keep_the_bound_small(algorithm):
    plan = pyconv.plan("n1c8192h8w8_k8r3s3p1", algorithm=algorithm)
    assert plan.bound_factor < 8192 * 9 / 50


def test_highest_precision_admits_elementwise_bounds_only():
    for case in FEW_CASES:
        with pyconv.options(precision="highest"):
            plan = pyconv.plan(**case.arguments())
        assert plan.bound_kind == "elementwise"
        for candidate in plan.candidates:
            if not candidate.refusal:
                forced = pyconv.plan(**case.arguments(), algorithm=candidate.algorithm)
                assert forced.bound_kind == "elementwise"


def test_zero_input_gives_exactly_the_bias():
    case = ConvCase(in_ch=40, out_ch=20, size=(9, 9), kernel=(3, 3), padding=1, bias=True)
    arguments = case.arguments("dense")
    arguments["input"][...] = 0
    for algorithm in takers(case):
        result = run(arguments, algorithm=algorithm)
        assert np.array_equal(result, np.broadcast_to(arguments["bias"].reshape(1, -1, 1, 1), result.shape))


def test_a_bright_pixel_leaves_the_outputs_that_do_not_read_it_alone():
    """precision="highest" admits elementwise bounds only: no part of the pixel reaches its neighbours."""
    x = np.zeros((1, 8, 20, 20), np.float32)
    x[0, :, 10, 10] = 1e4
    w = np.random.default_rng(0).standard_normal((8, 8, 3, 3), np.float32)
    with pyconv.options(precision="highest"):
        result = pyconv.conv2d(x, w, padding=1)
    reads = np.zeros((20, 20), bool)
    reads[9:12, 9:12] = True
    assert np.all(result[..., ~reads] == 0)
    assert np.all(result[..., reads] != 0)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_huge_and_tiny_values(rank):
    """Subnormal products and sums near the largest number keep the bound; overflow gives an infinity."""
    case = ConvCase(in_ch=5, out_ch=6, size=(6,) * rank, kernel=(2,) * rank)
    for scale in (1e-30, 1e-22, 1e15, 1e18):
        arguments = case.arguments("dense")
        arguments["input"] *= np.float32(scale)
        arguments["weight"] *= np.float32(scale if scale < 1e16 else 1e18)
        expected = oracle.conv(**arguments)
        for algorithm in takers(case):
            result = run(arguments, algorithm=algorithm)
            assert_conv_close(result, expected, **arguments, algorithm=algorithm)
    arguments["input"] *= np.float32(1e5)
    assert np.isinf(error_bound(**arguments)).any()
    assert not np.isfinite(CONV[rank](**arguments)).all()
