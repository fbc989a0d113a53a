"""Problems for the tests of pyconv.explain, and the value by definition, in fractions."""

import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

MODES = ("zeros", "reflect", "replicate", "circular")
NUMPY_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@dataclass
class Convolution:
    x: np.ndarray
    w: np.ndarray
    b: np.ndarray | None
    arguments: dict
    at: tuple

    def padded(self):
        mode = NUMPY_MODES[self.arguments["padding_mode"]]
        return np.pad(self.x, ((0, 0), (0, 0), *self.arguments["padding"]), mode=mode)

    def window(self):
        """The padded input under the window and the weights, by slicing: (in_ch / groups, *kernel) each."""
        groups = self.arguments["groups"]
        n, out_ch, *pos = self.at
        padded = self.padded()
        size = self.w.shape[1]
        group = out_ch // (self.w.shape[0] // groups)
        region = [n, slice(group * size, (group + 1) * size)]
        for o, k, s, d in zip(
            pos, self.w.shape[2:], self.arguments["stride"], self.arguments["dilation"], strict=True
        ):
            region.append(slice(o * s, o * s + d * (k - 1) + 1, d))
        return padded[tuple(region)], self.w[out_ch]

    def value(self):
        """The exact value."""
        inputs, weights = self.window()
        products = (
            Fraction(float(x)) * Fraction(float(w))
            for x, w in zip(inputs.ravel(), weights.ravel(), strict=True)
        )
        bias = 0 if self.b is None else Fraction(float(self.b[self.at[1]]))
        return sum(products, bias)


def _axis(draw, mode):
    kernel, stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    pads = (draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    least = max(1, dilation * (kernel - 1) + 1 - sum(pads), max(pads) + 1 if mode != "zeros" else 1)
    return kernel, stride, dilation, pads, draw(st.integers(least, least + 5))


@st.composite
def convolutions(draw, ranks=(1, 2, 3), dtypes=(np.float32, np.float64)):
    """Kernel, stride and padding first, then a size that fits: nothing is filtered."""
    rank, mode = draw(st.sampled_from(ranks)), draw(st.sampled_from(MODES))
    axes = [_axis(draw, mode) for _ in range(rank)]
    groups, per_group, batch = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    out_ch = groups * draw(st.integers(1, 2))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def fill(shape):
        if dtype.kind == "i":
            return rng.integers(-9, 10, shape).astype(dtype)
        return (rng.standard_normal(shape) * 2.0 ** rng.integers(-6, 7, shape)).astype(dtype)

    sizes = [size for *_, size in axes]
    out = [
        (size + sum(pads) - d * (k - 1) - 1) // s + 1
        for (k, s, d, pads, _), size in zip(axes, sizes, strict=True)
    ]
    at = (
        draw(st.integers(0, batch - 1)),
        draw(st.integers(0, out_ch - 1)),
        *(draw(st.integers(0, o - 1)) for o in out),
    )
    arguments = {
        "stride": tuple(s for _, s, *_ in axes),
        "padding": tuple(pads for *_, pads, _ in axes),
        "dilation": tuple(d for _, _, d, *_ in axes),
        "groups": groups,
        "padding_mode": mode,
    }
    x = fill((batch, groups * per_group, *sizes))
    w = fill((out_ch, per_group, *(k for k, *_ in axes)))
    return Convolution(x, w, fill((out_ch,)) if draw(st.booleans()) else None, arguments, at)


@dataclass
class Pooling:
    x: np.ndarray
    arguments: dict
    at: tuple


@st.composite
def poolings(draw, kinds=("max", "avg")):
    """Pooling problems that torch accepts too; small integers, so that ties are common."""
    rank, kind, ceil_mode = draw(st.integers(1, 3)), draw(st.sampled_from(kinds)), draw(st.booleans())
    kernel = [draw(st.integers(1, 4)) for _ in range(rank)]
    stride = [draw(st.integers(1, 4)) for _ in range(rank)]
    padding = [draw(st.integers(0, k // 2)) for k in kernel]
    dilation = [draw(st.integers(1, 2)) if kind == "max" else 1 for _ in range(rank)]
    # With ceil_mode a window may hang over by less than its stride, even if it is the only one.
    # torch's avg_pool3d refuses an input smaller than its kernel, padded or not.
    sizes = [
        draw(st.integers(k if kind == "avg" else max(1, reach - 2 * p - overhang), reach + 6))
        for k, p, reach, overhang in zip(
            kernel,
            padding,
            (d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)),
            (ceil_mode * (s - 1) for s in stride),
            strict=True,
        )
    ]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.integers(-3, 4, (2, 2, *sizes)).astype(np.float32)
    arguments = {
        "kernel_size": tuple(kernel),
        "stride": tuple(stride),
        "padding": tuple(padding),
        "ceil_mode": ceil_mode,
    }
    if kind == "max":
        x[rng.random(x.shape) < draw(st.sampled_from([0, 0.1]))] = np.nan
        arguments["dilation"] = tuple(dilation)
    else:
        arguments["count_include_pad"] = draw(st.booleans())
        if rank > 1 and draw(st.booleans()):
            arguments["divisor_override"] = draw(st.integers(1, 9))
    # Any position; the test reduces it into the output, whose size it is a test of.
    at = (draw(st.integers(0, 1)), draw(st.integers(0, 1)), *(draw(st.integers(0, 9)) for _ in range(rank)))
    return kind, Pooling(x, arguments, at)


def corners(shape):
    """First and last index on every axis."""
    return itertools.product(*({0, extent - 1} for extent in shape))
