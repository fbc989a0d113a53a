"""Random pooling problems against torch: hypothesis draws the window first, then sizes that hold it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pool_cases import ISAS, LAYOUTS, PoolCase, in_layout


@st.composite
def problems(draw: st.DrawFn) -> PoolCase:
    rank = draw(st.integers(1, 3))
    kind = draw(st.sampled_from(["max", "avg"]))
    largest = {1: 40, 2: 9, 3: 4}[rank]
    kernel = tuple(draw(st.integers(1, largest)) for _ in range(rank))
    dilation = tuple(draw(st.integers(1, 3)) for _ in range(rank)) if kind == "max" else (1,) * rank
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    # torch's avg_pool3d wants the kernel to fit without the padding
    counted = (0,) * rank if kind == "avg" and rank == 3 else padding
    extents = [d * (k - 1) + 1 - 2 * p for k, d, p in zip(kernel, dilation, counted, strict=True)]
    size = tuple(max(e, 1) + draw(st.integers(0, {1: 70, 2: 30, 3: 8}[rank])) for e in extents)
    return PoolCase(
        kind,
        draw(st.sampled_from([1, 2, 3, 8, 17, 33])),
        size,
        kernel,
        stride=draw(st.none() | st.tuples(*[st.integers(1, 5)] * rank)),
        padding=padding,
        dilation=dilation,
        ceil_mode=draw(st.booleans()),
        count_include_pad=draw(st.booleans()) if kind == "avg" else True,
        divisor_override=draw(st.none() | st.integers(1, 9)) if kind == "avg" and rank > 1 else None,
        batch=draw(st.sampled_from([None, 1, 2])),
    )


@settings(max_examples=150)
@given(problems(), st.sampled_from(ISAS), st.sampled_from(LAYOUTS), st.integers(1, 3), st.integers(0, 99))
def test_random_problems(case, isa, layout, threads, seed):
    x = case.integers(seed=seed)
    array = in_layout(x, layout, case.batch is not None)
    want = case.oracle(x)
    assert (case.run(array, isa=isa, num_threads=threads) == want.astype(np.float32)).all()
    if case.kind == "max":
        values, indices = case.run(array, isa=isa, num_threads=threads, return_indices=True)
        expected = case.oracle(x, return_indices=True)
        assert (values == expected[0]).all()
        # A dilated window may hold padding alone; torch's index then lies outside the plane.
        some = np.isfinite(values)
        assert (indices == expected[1])[some].all()
        assert ((indices >= 0) & (indices < np.prod(case.size))).all()


@settings(max_examples=60)
@given(problems(), st.sampled_from(LAYOUTS), st.integers(0, 99))
def test_random_problems_stay_within_the_bound(case, layout, seed):
    x = case.random(seed=seed)
    got = case.run(in_layout(x, layout, case.batch is not None))
    expected = case.oracle(x)
    with np.errstate(invalid="ignore"):  # a dilated window of padding alone has the maximum -inf
        error = np.abs(got - expected)
    assert ((got == expected) | (error <= case.bound(x))).all()
