"""Integers whose every partial sum is representable: the result equals torch's float64 one with `==`,
whatever computes it: every problem, algorithm, instruction set, memory layout and dtype."""

import numpy as np
import oracle
import pytest
from cases import (
    ALGORITHMS,
    BIG_CASES,
    CASES,
    CONV,
    DTYPES,
    ISAS,
    LAYOUTS,
    THREADS,
    check,
    in_layout,
    refusal,
    run,
    takers,
    ways,
)

import pyconv
from pyconv.testing import assert_conv_close


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "auto"])
def test_exact_however_it_is_computed(case, algorithm):
    reason = refusal(case, algorithm)
    for dtype in DTYPES:
        arguments = case.arguments("exact", dtype)
        if reason:
            with pytest.raises(ValueError, match="cannot compute") as caught:
                run(arguments, algorithm=algorithm)
            assert str(caught.value).partition(": ")[2] == reason.partition(": ")[2]
            continue
        expected = oracle.conv(**arguments)
        for isa in ISAS:
            with pyconv.options(algorithm=algorithm, isa=isa):
                plan = pyconv.plan(**arguments)
            assert plan.isa == isa
            assert algorithm in ("auto", plan.algorithm)
            for layout in LAYOUTS:
                result = run(arguments, layout=layout, algorithm=algorithm, isa=isa)
                assert result.dtype == dtype
                assert result.shape == expected.shape
                if plan.exact_on_integers:
                    assert np.array_equal(result, expected), (dtype, isa, layout)
                else:
                    assert_conv_close(result, expected, **arguments, algorithm=algorithm)


@ways(BIG_CASES)
def test_exact_with_threads(case, algorithm):
    arguments = case.arguments("exact")
    expected = oracle.conv(**arguments)
    for isa in ISAS:
        for threads in THREADS:
            with pyconv.options(algorithm=algorithm, isa=isa, num_threads=threads):
                plan = pyconv.plan(**arguments)
            assert plan.threads == threads
            assert plan.chunks > 1 or threads == 1
            for layout in LAYOUTS:
                result = run(arguments, layout=layout, algorithm=algorithm, isa=isa, num_threads=threads)
                check(result, expected, arguments, algorithm)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_channels_last_by_axes(case):
    """data_format="channels_last" moves the channel axis of input, residual and result, and nothing else."""
    arguments = case.arguments("exact")
    expected = oracle.conv(**arguments)
    channel = 0 if case.batch is None else 1
    for layout in LAYOUTS:
        moved = {
            name: None if array is None else np.moveaxis(in_layout(array, layout, channel == 1), channel, -1)
            for name, array in arguments.items()
            if name in ("input", "residual")
        }
        result = CONV[case.rank](**(arguments | moved), data_format="channels_last")
        assert np.array_equal(np.moveaxis(result, -1, channel), expected), layout


@pytest.mark.parametrize("case", CASES, ids=str)
def test_out_is_written_in_place_whatever_its_strides(case):
    arguments = case.arguments("exact")
    expected = oracle.conv(**arguments)
    for layout in LAYOUTS:
        for input_layout in ("channels_first", "channels_last"):
            out = in_layout(np.full(case.out_shape, np.nan, dtype=np.float32), layout, case.batch is not None)
            result = run(arguments, layout=input_layout, out=out)
            assert result is out
            assert np.array_equal(out, expected), (layout, input_layout)


@pytest.mark.parametrize("case", CASES[:: max(1, len(CASES) // 40)], ids=str)
def test_strided_weights_and_bias(case):
    """Weights are read through any strides, bias too."""
    arguments = case.arguments("exact")
    expected = oracle.conv(**arguments)
    weight, bias = arguments["weight"], arguments["bias"]
    flipped = np.ascontiguousarray(weight[..., ::-1])[..., ::-1]
    transposed = np.ascontiguousarray(weight.T).T
    spread = np.repeat(weight, 2, axis=0)[::2]
    strided_bias = None if bias is None else np.repeat(bias, 3)[::3]
    for form in (flipped, transposed, spread):
        for algorithm in takers(case):
            result = run(arguments | {"weight": form, "bias": strided_bias}, algorithm=algorithm)
            check(result, expected, arguments, algorithm)
