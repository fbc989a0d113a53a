"""What pooling refuses: messages state the rule and the values, torch refuses it too, nothing is written."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import pyconv

X = np.arange(2 * 3 * 8 * 9, dtype=np.float32).reshape(2, 3, 8, 9)

# (function, input shape, arguments, what the message says); torch refuses every row as well.
REFUSED = [
    ("max_pool2d", X.shape, {"kernel_size": 0}, "kernel size must be at least 1, got 0"),
    (
        "max_pool2d",
        X.shape,
        {"kernel_size": (2, -3)},
        "kernel size must be at least 1, got -3 in dimension w",
    ),
    ("max_pool2d", X.shape, {"kernel_size": 2, "stride": 0}, "stride must be at least 1, got 0"),
    ("avg_pool2d", X.shape, {"kernel_size": 2, "stride": -1}, "stride must be at least 1, got -1"),
    ("max_pool2d", X.shape, {"kernel_size": 2, "dilation": 0}, "dilation must be at least 1, got 0"),
    ("max_pool2d", X.shape, {"kernel_size": 2, "dilation": -2}, "dilation must be at least 1, got -2"),
    ("max_pool2d", X.shape, {"kernel_size": 3, "padding": 2}, "padding is 2, kernel size is 3"),
    ("max_pool1d", (2, 3, 9), {"kernel_size": 3, "padding": 2}, "padding is 2, kernel size is 3"),
    (
        "avg_pool3d",
        (1, 2, 5, 5, 5),
        {"kernel_size": 2, "padding": (1, 1, 2)},
        "padding is 2, kernel size is 2",
    ),
    (
        "avg_pool2d",
        X.shape,
        {"kernel_size": 3, "padding": -1},
        r"padding must not be negative, got \(-1, -1\)",
    ),
    ("max_pool2d", X.shape, {"kernel_size": 10}, r"\(8 \+ 0 \+ 0 - 1 \* \(10 - 1\) - 1\) / 10"),
    (
        "max_pool2d",
        X.shape,
        {"kernel_size": 3, "dilation": 4},
        "the kernel spans 9 elements, the padded input has 8",
    ),
    ("avg_pool2d", X.shape, {"kernel_size": (9, 2)}, "the kernel must fit into the padded input"),
    ("avg_pool2d", X.shape, {"kernel_size": 2, "divisor_override": 0}, "divisor_override must not be 0"),
    ("max_pool2d", X.shape, {"kernel_size": (1, 2, 3)}, r"kernel_size must have 1 or 2 entries, got 3"),
    (
        "max_pool2d",
        X.shape,
        {"kernel_size": 2, "stride": (1, 1, 1)},
        "stride must have 1 or 2 entries, got 3",
    ),
    ("max_pool2d", (8, 9), {"kernel_size": 2}, "must have 4 dimensions, or 3 unbatched, got 2"),
    ("max_pool1d", (2, 3, 4, 5), {"kernel_size": 2}, "must have 3 dimensions, or 2 unbatched, got 4"),
    ("avg_pool3d", (2, 3, 4), {"kernel_size": 2}, "must have 5 dimensions, or 4 unbatched, got 3"),
    ("max_pool2d", (1, 2, 0, 4), {"kernel_size": 1}, "input size must be at least 1, got 0 in dimension h"),
    ("max_pool2d", (1, 0, 4, 4), {"kernel_size": 2}, "at least 1 channel, got 0"),
    ("avg_pool1d", (1, 0, 4), {"kernel_size": 2}, "at least 1 channel, got 0"),
    ("max_pool3d", (1, 2, 4, 4, 0), {"kernel_size": 1}, "got 0 in dimension w"),
    ("max_pool2d", X.shape, {"kernel_size": 2, "stride": 2**63}, "must fit 64 bits"),
    ("avg_pool2d", X.shape, {"kernel_size": 2**63}, "must fit 64 bits"),
]


@pytest.mark.parametrize(("name", "shape", "arguments", "says"), REFUSED)
def test_refused_as_torch_refuses(name, shape, arguments, says):
    x = np.ones(shape, np.float32)
    with pytest.raises(ValueError, match=says):
        getattr(pyconv, name)(x, **arguments)
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        getattr(F, name)(torch.from_numpy(x), **arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"kernel_size": 2, "stride": 2**62}, ValueError, None),
        ({"kernel_size": 2, "stride": 2**63 - 1}, ValueError, "overflows 64 bits"),
        ({"kernel_size": 3, "dilation": 2**62}, ValueError, "overflows 64 bits"),
        ({"kernel_size": "3"}, TypeError, "kernel_size must be an integer"),
        ({"kernel_size": 2.0}, TypeError, "kernel_size must be an integer"),
        ({"kernel_size": True}, TypeError, "kernel_size must be an integer"),
        ({"kernel_size": 2, "data_format": "NCHW"}, ValueError, "channels_first"),
        ({"kernel_size": 2, "out": np.empty((2, 3, 4, 5), np.float32)}, ValueError, r"\(2, 3, 4, 4\)"),
        ({"kernel_size": 2, "out": np.empty((2, 3, 4, 4), np.float64)}, TypeError, "dtype of the result"),
        ({"kernel_size": 2, "return_indices": True, "out": np.empty((2, 3, 4, 4))}, TypeError, "a pair"),
    ],
)
def test_refused_by_pyconv(arguments, error, says):
    if says is None:  # a huge stride with one output is no error, in torch neither
        assert pyconv.max_pool2d(X, **arguments).shape == (2, 3, 1, 1)
        return
    with pytest.raises(error, match=says):
        pyconv.max_pool2d(X, **arguments)


def test_refused_inputs():
    for x in (X.astype(np.int32), X.astype(np.complex64), X.astype(np.float16), None, "text"):
        with pytest.raises(TypeError):
            pyconv.max_pool2d(x, 2)
    with pytest.raises(TypeError, match="masked"):
        pyconv.max_pool2d(np.ma.masked_array(X), 2)
    with pytest.raises(TypeError, match="requires grad"):
        pyconv.max_pool2d(torch.from_numpy(X).requires_grad_(), 2)


def test_sizes_are_checked_before_anything_is_allocated():
    huge = np.broadcast_to(np.float32(1), (2**20, 2**20, 2**10, 2**10))
    with pytest.raises(ValueError, match="overflows 64 bits"):
        pyconv.max_pool2d(huge, 1)


def test_a_refused_call_writes_nothing():
    out = np.full((2, 3, 4, 4), 7, np.float32)
    indices = np.full((2, 3, 4, 5), 7, np.int64)
    with pytest.raises(ValueError, match=r"\(2, 3, 4, 4\)"):
        pyconv.max_pool2d(X, 2, return_indices=True, out=(out, indices))
    with pytest.raises(TypeError, match="int64"):
        pyconv.max_pool2d(X, 2, return_indices=True, out=(out, np.zeros((2, 3, 4, 4), np.int32)))
    assert (out == 7).all()
    assert (indices == 7).all()
