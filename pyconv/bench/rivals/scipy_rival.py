"""SciPy: scipy.signal.correlate for each output channel, what one writes without a convolution library."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyconv.bench.cases import Case
from pyconv.bench.data import Data
from pyconv.bench.rivals.base import (
    CHANNELS_FIRST,
    Prepared,
    Rival,
    Setup,
    Unsupported,
    given,
    needs_conv,
)

MAX_MACS = 50_000_000  # its direct sum is a scalar loop: larger layers would take seconds a call


def set_threads(_: int) -> int:
    return 1


def prepare(case: Case, data: Data, setup: Setup) -> Prepared:
    from scipy.signal import correlate

    needs_conv(case)
    if case.macs > MAX_MACS:
        raise Unsupported(f"a layer of more than {MAX_MACS:.0e} multiply-adds would take too long")
    if max(case.dilation) > 1:
        raise Unsupported("has no dilation")
    assert data.weight is not None
    weight, per_group = data.weight, case.in_ch // case.groups
    out_per_group = case.out_ch // case.groups
    image_data = setup.place(data.input)
    strided = (..., *(slice(None, None, step) for step in case.stride))
    edges = ((0, 0), (0, 0), *zip(case.pad_begin, case.pad_end, strict=True))

    def call() -> NDArray[Any]:
        x, y = np.pad(image_data, edges), np.empty(case.output_shape, case.dtype)
        for image in range(case.batch):
            for oc in range(case.out_ch):
                first = oc // out_per_group * per_group
                # Correlating with all channels at once leaves one: the sum over them.
                full = correlate(
                    x[image, first : first + per_group], weight[oc], mode="valid", method="direct"
                )
                y[image, oc] = full[0][strided] + (0 if data.bias is None else data.bias[oc])
        return y

    return Prepared(call, lambda y: y, given(case, CHANNELS_FIRST, 1, 'method="direct"'))


RIVAL = Rival("scipy", prepare, set_threads, requires=("scipy",), layouts=(CHANNELS_FIRST,))
