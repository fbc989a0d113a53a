"""Promise 4: a NaN or an infinity in the input reaches exactly the outputs that read it; no other changes."""

import itertools

import numpy as np
import oracle
import pytest
from cases import FEW_CASES, ISAS, LAYOUTS, ConvCase, run, takers, ways

import pyconv
from pyconv.testing import error_bound


def readers(case, position):
    """Which outputs read input element `position` (of one image), by convolving where it is."""
    arguments = case.arguments("dense")
    where = np.zeros(case.input_shape)
    where[(0, *position)] = 1
    weight = np.ones(case.weight_shape)
    plain = arguments | {"input": where, "weight": weight, "bias": None, "residual": None, "activation": None}
    return oracle.conv(**plain) > 0


@ways(FEW_CASES)
def test_stays_in_its_receptive_field(case, algorithm):
    arguments = case.arguments("dense")
    clean = {isa: run(arguments, algorithm=algorithm, isa=isa) for isa in ISAS}
    # An algorithm by tiles computes the others of a spoilt tile anew: within its bound, not bit for bit.
    by_tiles = pyconv.plan(**arguments, algorithm=algorithm).bound_kind != "elementwise"
    slack = 2 * error_bound(**arguments, algorithm=algorithm) if by_tiles else 0.0 * clean[ISAS[0]]
    corners = {(0, *(0 for _ in case.size)), (case.in_ch - 1, *(n - 1 for n in case.size))}
    # Where only every n-th element is read, one that is; of a problem that reads nothing but padding, any.
    about = list(
        itertools.product([case.in_ch // 2], *(range(n // 2, min(n, n // 2 + 4)) for n in case.size))
    )
    middle = next((position for position in about if readers(case, position).any()), about[0])
    assert readers(case, middle).any() or not oracle.conv(**case.arguments("dense")).any()
    for position in {*corners, middle}:
        reads = readers(case, position)
        for value in (np.nan, np.inf, -np.inf):
            spoilt = arguments | {"input": arguments["input"].copy()}
            spoilt["input"][(0, *position)] = value
            expected = oracle.conv(**spoilt)
            for isa in ISAS:
                for layout in LAYOUTS:
                    result = run(spoilt, algorithm=algorithm, isa=isa, layout=layout)
                    assert np.all(np.abs(result - clean[isa])[~reads] <= slack[~reads]), (isa, layout, value)
                    assert np.array_equal(np.isnan(result), np.isnan(expected)), (isa, layout, value)
                    infinite = np.isinf(expected)
                    assert np.array_equal(result[infinite], expected[infinite])
                    assert not np.isinf(result[~infinite]).any()


@pytest.mark.parametrize("activation", [None, "relu", "relu6", ("clip", -1.0, 1.0)])
def test_nan_passes_the_activation(activation):
    case = ConvCase(
        in_ch=3, out_ch=18, size=(5, 19), kernel=(3, 3), padding=1, activation=activation, bias=True
    )
    arguments = case.arguments("dense")
    arguments["input"][...] = np.nan
    for algorithm in takers(case):
        for isa in ISAS:
            for layout in LAYOUTS:
                assert np.isnan(run(arguments, algorithm=algorithm, isa=isa, layout=layout)).all()


def test_a_channel_of_another_group_is_not_read():
    case = ConvCase(in_ch=34, out_ch=34, size=(6, 17), kernel=(3, 3), groups=2, padding=1)
    arguments = case.arguments("dense")
    arguments["input"][:, :17] = np.nan
    for algorithm in takers(case):
        for isa in ISAS:
            result = run(arguments, algorithm=algorithm, isa=isa)
            assert np.isnan(result[:, :17]).all()
            assert np.isfinite(result[:, 17:]).all()
