"""JAX on the CPU: a jitted lax operator, NCHW or NHWC. XLA sizes its own pool: only all CPUs can be asked."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.bench.cases import Case
from pyconv.bench.data import Data
from pyconv.bench.machine import usable_cpus
from pyconv.bench.rivals.base import (
    CHANNELS_LAST,
    Prepared,
    Rival,
    Setup,
    given,
    needs_conv,
    needs_float32,
)


def set_threads(_: int) -> int:
    """XLA's pool has one thread for each CPU, whatever is asked."""
    return usable_cpus()


def prepare(case: Case, data: Data, setup: Setup) -> Prepared:
    import jax

    needs_conv(case)
    needs_float32(case)  # JAX computes in float32 unless it is switched for the whole process
    last = setup.layout == CHANNELS_LAST
    spatial = "DHW"[3 - case.ndim :]
    names = f"N{spatial}C" if last else f"NC{spatial}"
    assert data.weight is not None

    def definition(x: Any, w: Any, b: Any) -> Any:
        y = jax.lax.conv_general_dilated(
            x,
            w,
            case.stride,
            list(zip(case.pad_begin, case.pad_end, strict=True)),
            rhs_dilation=case.dilation,
            dimension_numbers=(names, f"OI{spatial}", names),
            feature_group_count=case.groups,
        )
        return y if b is None else y + (b if last else b.reshape(-1, *[1] * case.ndim))

    convolve: Any = jax.jit(definition)
    x = jax.numpy.asarray(np.moveaxis(data.input, 1, -1) if last else data.input)
    w, b = jax.numpy.asarray(data.weight), None if data.bias is None else jax.numpy.asarray(data.bias)
    convolve(x, w, b).block_until_ready()
    stated = given(case, setup.layout, usable_cpus(), "jitted for this shape, waits for the result")

    def to_numpy(y: Any) -> Any:
        return np.moveaxis(np.asarray(y), -1, 1) if last else np.asarray(y)

    return Prepared(lambda: convolve(x, w, b).block_until_ready(), to_numpy, stated)


RIVAL = Rival("jax", prepare, set_threads, requires=("jax",))
