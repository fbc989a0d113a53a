"""How large an error is allowed: gamma * (sum |x| |w| + |bias| + |residual|), element by element."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ._definition import Array, Definition, define


def error_bound(
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *args: Any,
    dtype: npt.DTypeLike | None = None,
    algorithm: str = "highest",
    **kwargs: Any,
) -> Array:
    """Return the largest admissible error of every output element of a convolution computed in `dtype`.

    The bound comes from the arithmetic, never from a tuned tolerance: a sum of n terms, each product and each
    addition rounded to nearest, in any order, with or without fused multiply-add, is off by at most::

        gamma * sum |x| |w|    with    gamma = n * u / (1 - n * u)

    where u is half of ``np.finfo(dtype).eps`` and a bias and a residual count as one more term each. A small
    constant for products below the smallest normal number is added.

    Parameters
    ----------
    input, weight : array_like
    bias : array_like, optional
        As for :func:`pyconv.conv1d`, :func:`pyconv.conv2d` and :func:`pyconv.conv3d`; the rank is the
        weight's.
    *args, **kwargs
        Further arguments of the convolution: ``stride``, ``padding``, ``dilation``, ``groups``,
        ``padding_mode``, ``activation``, ``residual``, ``data_format``.
    dtype : dtype, optional
        The type the sum is computed in. Default: ``np.result_type(input, weight)``.
    algorithm : str, optional
        ``"highest"`` (default) is the bound above, which every algorithm that ``precision="highest"`` admits
        keeps, and every correct implementation elsewhere too. The name of one of pyconv's algorithms is the
        bound that its registry row declares for this problem (see :func:`pyconv.plan`), where that is
        smaller, or a bound by tiles, which is larger (Winograd: the sum over channels of the largest ``|x|``
        that the tile reads times ``sum |w|``).

    Returns
    -------
    ndarray of float64
        In the shape of the result. ``inf`` where the sum may overflow `dtype`, NaN where it has no finite
        value.

    Raises
    ------
    ValueError
        If the arguments are no convolution, `algorithm` cannot compute it, or so many roundings may lose
        every digit.
    TypeError
        If `dtype` is not a floating-point type.

    See Also
    --------
    assert_conv_close : compares with a convolution, within this bound.

    References
    ----------
    N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from pyconv.testing import error_bound
    >>> x = np.array([[[1.0, 1000.0, 1.0, 0.0]]], dtype=np.float32)
    >>> w = np.array([[[1.0, -1.0]]], dtype=np.float32)
    >>> np.round(error_bound(x, w) / np.finfo(np.float32).eps).astype(int)
    array([[[1001, 1001,    1]]])
    """
    if dtype is None:
        dtype = np.result_type(np.asarray(input), np.asarray(weight))
    definition = define(input, weight, bias, *args, **kwargs)
    return definition.in_callers_format(bound_of(definition, np.dtype(dtype), algorithm))


def bound_of(definition: Definition, dtype: np.dtype[Any], algorithm: str = "highest") -> Array:
    """The bound in (batch, out_ch, *out)."""
    if dtype.kind != "f":
        raise TypeError(f"a rounding error bound needs a floating-point dtype, got {dtype}")
    info = np.finfo(dtype)
    magnitude = definition.magnitude()
    roundings, seen = float(definition.terms), magnitude
    if algorithm != "highest":
        kind, declared, _ = declared_bound(definition, dtype, algorithm)
        if kind == "tile":
            roundings, seen = declared, tile_magnitude(definition, dtype, algorithm)
        else:
            roundings = min(roundings, declared)
    bound = _relative_error(roundings, dtype) * seen
    bound += max(roundings, definition.terms) * float(info.smallest_subnormal)
    with np.errstate(invalid="ignore"):
        bound = np.where(magnitude + bound > float(info.max), np.inf, bound)
    return np.where(np.isfinite(magnitude), bound, np.nan)


def _relative_error(roundings: float, dtype: np.dtype[Any]) -> float:
    error = roundings * float(np.finfo(dtype).eps) / 2
    if error >= 0.5:
        raise ValueError(f"no useful bound: {roundings:.0f} roundings in {dtype} may lose every digit")
    return error / (1 - error)


def declared_bound(definition: Definition, dtype: np.dtype[Any], algorithm: str) -> tuple[str, float, bool]:
    """(kind, roundings, exact on integers) that an algorithm's registry row declares for this problem."""
    from pyconv import _core

    problem = definition.problem_text(dtype)
    declared: tuple[str, float, bool] = _core.error_bound(problem, algorithm, "medium")
    return declared


def tile_magnitude(definition: Definition, dtype: np.dtype[Any], algorithm: str) -> Array:
    """sum over channels and outer taps of max |x| over the tile's inputs * sum |w|, + |bias| + |residual|.

    What the bound of a Winograd algorithm is a multiple of; (batch, out_ch, *out). A tile is the outputs
    [i * m, (i + 1) * m) of each transformed dimension (of each phase if it is dilated), with all they read.
    """
    from pyconv import _core

    extents = _core.bound_tile(definition.problem_text(dtype), algorithm)[3 - definition.rank :]
    largest, weight = np.abs(definition.padded_input()), np.abs(definition.weight)
    stride, dilation = list(definition.stride), list(definition.dilation)
    for dim, extent in enumerate(extents):
        if extent == 1:
            continue
        # Never strided and dilated at once.
        step, phases = stride[dim], dilation[dim]
        outputs = np.arange(definition.out_size[dim])[:, None]
        window = np.arange(step * (extent - 1) + definition.kernel[dim])
        reads = outputs % phases + phases * (outputs // phases // extent * extent * step + window)
        beyond = reads >= largest.shape[dim + 2]
        picked = np.take(largest, np.where(beyond, 0, reads), axis=dim + 2)
        hidden = beyond.reshape(*beyond.shape, *(1,) * (definition.rank - 1 - dim))
        largest = np.where(hidden, 0.0, picked).max(axis=dim + 3)
        weight = weight.sum(axis=dim + 2, keepdims=True)
        stride[dim] = dilation[dim] = 1
    return replace(
        definition,
        input=largest,
        weight=weight,
        bias=None if definition.bias is None else np.abs(definition.bias),
        residual=None if definition.residual is None else np.abs(definition.residual),
        stride=tuple(stride),
        dilation=tuple(dilation),
        padding=((0, 0),) * definition.rank,
        padding_mode="zeros",
    ).sum()
