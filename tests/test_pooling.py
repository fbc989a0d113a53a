"""Pooling against torch in float64: values, indices, special values, and every kind of array."""

import numpy as np
import pytest
import torch
from pool_cases import CASES, DTYPES, FUNCTIONS, ISAS, LAYOUTS, MAX_CASES, PoolCase, in_layout, same_bits

import pyconv
from pyconv import _core


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_agrees_with_torch(case, dtype):
    x = case.random(dtype)
    want, bound = case.oracle(x), case.bound(x)
    for isa in ISAS:
        got = case.run(x, isa=isa)
        assert got.shape == want.shape
        assert got.dtype == dtype
        assert (np.abs(got - want) <= bound).all(), isa


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_exact_on_integers(case, dtype):
    """Integer sums are exact, so the one rounding left is the division's, which is correct."""
    x = case.integers(dtype)
    want = case.oracle(x).astype(dtype)
    for layout in LAYOUTS:
        got = case.run(in_layout(x, layout, case.batch is not None))
        assert (got == want).all(), layout


@pytest.mark.parametrize("case", MAX_CASES, ids=str)
def test_indices_are_torch_s(case):
    """Integers in [-4, 4]: many ties, of which the first in row-major order is named."""
    for dtype in DTYPES:
        x = case.integers(dtype)
        values, indices = case.oracle(x, return_indices=True)
        for isa in ISAS:
            for layout in LAYOUTS:
                array = in_layout(x, layout, case.batch is not None)
                got, at = case.run(array, isa=isa, return_indices=True)
                assert at.dtype == np.int64
                assert (got == values).all()
                assert (at == indices).all(), (isa, layout)


@pytest.mark.parametrize("case", MAX_CASES, ids=str)
def test_nan_and_infinity_are_torch_s(case):
    rng = np.random.default_rng(7)
    x = case.integers()
    x[rng.random(x.shape) < 0.05] = np.nan
    x[rng.random(x.shape) < 0.4] = -np.inf
    x[rng.random(x.shape) < 0.02] = np.inf
    values, indices = case.oracle(x, return_indices=True)
    for isa in ISAS:
        for layout in LAYOUTS:
            array = in_layout(x, layout, case.batch is not None)
            assert np.array_equal(case.run(array, isa=isa), values, equal_nan=True), (isa, layout)
            got, at = case.run(array, isa=isa, return_indices=True)
            assert np.array_equal(got, values, equal_nan=True), (isa, layout)
            assert (at == indices).all(), (isa, layout)


@pytest.mark.parametrize("case", MAX_CASES, ids=str)
def test_a_window_of_negative_infinity_still_has_an_index(case):
    x = np.full(case.shape, -np.inf, np.float32)
    values, indices = case.run(x, return_indices=True)
    assert (values == -np.inf).all()
    assert (indices == case.oracle(x, return_indices=True)[1]).all()


@pytest.mark.parametrize("case", [case for case in CASES if case.kind == "avg"], ids=str)
def test_nan_stays_in_its_window(case):
    """One bad element reaches the outputs that read it and no other: nothing is ever subtracted again."""
    x = case.random()
    clean = case.run(x)
    for bad in (np.nan, np.inf):
        spoilt = x.copy()
        where = tuple(s // 2 for s in case.shape)
        spoilt[where] = bad
        reached = ~np.isfinite(case.oracle(spoilt))
        got = case.run(spoilt)
        assert (~np.isfinite(got) == reached).all()
        assert same_bits(got[~reached], clean[~reached])


def test_zeros_of_both_signs():
    """An average of negative zeros is +0 as in torch, whether padding took part or not."""
    x = np.full((1, 1, 5, 5), -0.0, np.float32)
    for padding in (0, 1):
        assert not np.signbit(pyconv.avg_pool2d(x, 3, 1, padding)).any()
    first = np.array([[[-0.0, 0.0, 0.0, -0.0]]], np.float32)
    assert np.signbit(pyconv.max_pool1d(first, 2)).tolist() == [[[True, False]]]


# --- arrays ---------------------------------------------------------------------------------------

BOTH = [PoolCase(kind, 5, (12, 13), 3, stride=2, padding=1) for kind in ("max", "avg")]


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_the_result_keeps_the_memory_format(case):
    x = case.random()
    want = case.run(x)
    last = case.run(in_layout(x, "channels_last"))
    assert last.transpose(0, 2, 3, 1).flags.c_contiguous
    assert same_bits(last, want)
    values = case.run(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), data_format="channels_last")
    assert same_bits(values.transpose(0, 3, 1, 2), want)
    assert values.flags.c_contiguous
    assert case.run(np.asfortranarray(x)).flags.c_contiguous


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_any_strides_and_kinds_of_array(case):
    x = case.random()
    want = case.run(x)
    wide = np.zeros((2, 5, 24, 39), np.float32)
    wide[:, :, ::2, ::3] = x
    misaligned = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(x.shape)
    misaligned[...] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    for array in (
        wide[:, :, ::2, ::3], misaligned, read_only, x.astype(">f4"), x.tolist(), torch.from_numpy(x),
    ):  # fmt: skip
        got = case.run(array)
        expected_dtype = np.float64 if isinstance(array, list) else np.float32
        assert np.asarray(got).dtype == expected_dtype
        assert np.allclose(got, want, rtol=1e-6, atol=1e-6)
    broadcast = np.broadcast_to(x[:1, :1], (4, 3, 12, 13))
    assert same_bits(case.run(broadcast)[3, 2], want[0, 0])
    assert same_bits(case.run(x[0]), want[0])


@pytest.mark.parametrize("case", BOTH, ids=str)
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_out_is_filled_and_nothing_around_it(case, layout):
    x = in_layout(case.random(), layout)
    want = case.run(x)
    frame = np.full((want.shape[0], want.shape[1], want.shape[2] + 2, want.shape[3] + 5), 99, np.float32)
    for out in (
        np.empty_like(want),
        in_layout(np.empty_like(want), "channels_last"),
        frame[:, :, 1:-1, 2:-3],
        np.empty((*want.shape[:-1], 3 * want.shape[-1]), np.float32)[..., ::3],
    ):
        assert case.run(x, out=out) is out
        assert same_bits(out, want)
    frame[:, :, 1:-1, 2:-3] = 99
    assert (frame == 99).all()
    swapped = np.empty(want.shape, ">f4")
    with pytest.raises(ValueError if swapped.dtype == np.float32 else TypeError, match="dtype"):
        case.run(x, out=np.empty(want.shape, np.float64))


def test_out_may_overlap_the_input():
    x = np.arange(40, dtype=np.float32).reshape(1, 1, 40)
    want = pyconv.max_pool1d(x, 3, 1, 1)
    out = x.copy()
    assert same_bits(pyconv.max_pool1d(out, 3, 1, 1, out=out), want)


def test_out_with_indices_is_a_pair():
    case = BOTH[0]
    x = case.random()
    values, indices = case.run(x, return_indices=True)
    out = (np.empty_like(values), np.empty_like(indices))
    got = case.run(x, return_indices=True, out=out)
    assert got[0] is out[0]
    assert got[1] is out[1]
    assert same_bits(out[0], values)
    assert (out[1] == indices).all()
    tensor = case.run(torch.from_numpy(x), return_indices=True)
    assert all(isinstance(part, torch.Tensor) for part in tensor)
    assert (tensor[1].numpy() == indices).all()
    last = in_layout(x, "channels_last")
    assert case.run(last, return_indices=True)[1].transpose(0, 2, 3, 1).flags.c_contiguous


def test_reads_and_writes_stay_inside_their_arrays():
    """NaN beside every input and a mark beside every output."""
    for case in CASES:
        x = case.random()
        guarded = np.full(x.size + 128, np.nan, np.float32)
        guarded[64:-64] = x.ravel()
        want = case.run(x)
        memory = np.full(want.size + 128, 99, np.float32)
        out = memory[64:-64].reshape(want.shape)
        case.run(guarded[64:-64].reshape(x.shape), out=out)
        assert same_bits(out, want), case
        assert (memory[:64] == 99).all(), case
        assert (memory[-64:] == 99).all(), case


def test_an_empty_batch_is_no_work():
    assert pyconv.max_pool2d(np.empty((0, 3, 8, 8), np.float32), 2).shape == (0, 3, 4, 4)
    values, indices = pyconv.max_pool1d(np.empty((0, 3, 8), np.float32), 2, return_indices=True)
    assert values.shape == indices.shape == (0, 3, 4)


def test_the_default_stride_is_the_kernel():
    x = np.arange(12, dtype=np.float32).reshape(1, 1, 12)
    for stride in (None, [], 4):
        assert pyconv.max_pool1d(x, 4, stride).tolist() == [[[3, 7, 11]]]


def test_the_plan_names_the_kernel_table_and_the_path():
    for isa in ISAS:
        options = _core.Options(1, isa, "", "high")
        plan = _core.pool_plan("n1c64h56w56_maxr3s3p1u2_f32", "channels_last", options)
        assert (plan["isa"], plan["path"]) == (isa, "pixels")
        assert plan["scratch_bytes_per_thread"] < 16 << 20
        plan = _core.pool_plan("n1c64h56w56_avgr3s3p1u2_f64", "channels_first", options)
        assert (plan["isa"], plan["path"]) == (isa, "lines")
        plan = _core.pool_plan("n1c64h14w14_avgr3s3p1u2_f64", "channels_first", options)
        assert (plan["isa"], plan["path"]) == (isa, "strips")
        assert plan["scratch_bytes_per_thread"] <= 128 << 10
    assert _core.pool_plan("n1c3h9w9_avgr3s3_f32", "channels_last", None)["path"] == "dense_lines"


# --- layers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_layers_are_torch_s(rank):
    x = np.random.default_rng(2).standard_normal((2, 3, *(9, 8, 7)[:rank])).astype(np.float32)
    modules = [
        getattr(torch.nn, f"MaxPool{rank}d")(3, 2, 1, 1, False, True),
        getattr(torch.nn, f"MaxPool{rank}d")(2, return_indices=True),
        getattr(torch.nn, f"AvgPool{rank}d")(3, 2, 1, True, False),
        getattr(torch.nn, f"AvgPool{rank}d")(2),
    ]
    for module in modules:
        layer = pyconv.nn.from_torch(module)
        assert type(layer).__name__ == type(module).__name__
        assert list(layer.parameters()) == []
        got, want = layer(x), module(torch.from_numpy(x))
        got, want = (got, want) if isinstance(got, tuple) else ((got,), (want,))
        for mine, theirs in zip(got, want, strict=True):
            assert np.allclose(mine, theirs.numpy(), rtol=1e-6, atol=1e-6)
    assert repr(pyconv.nn.MaxPool2d(3, 2)) == (
        "MaxPool2d(kernel_size=3, stride=2, padding=0, dilation=1, ceil_mode=False)"
    )


@pytest.mark.parametrize("key", FUNCTIONS)
def test_arguments_stand_where_torch_has_them(key):
    kind, rank = key
    x = np.random.default_rng(3).standard_normal((1, 2, *(9,) * rank))
    arguments = (3, 2, 1, 1, True) if kind == "max" else (3, 2, 1, True, False)
    if kind == "avg" and rank > 1:
        arguments = (*arguments, 7)
    want = getattr(torch.nn.functional, f"{kind}_pool{rank}d")(torch.from_numpy(x), *arguments).numpy()
    assert np.allclose(FUNCTIONS[key](x, *arguments), want, rtol=1e-14, atol=1e-14)
