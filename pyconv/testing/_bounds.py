"""How large an error is allowed: gamma * (sum |x| |w| + |bias| + |residual|), element by element."""

from __future__ import annotations

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
    r"""Largest admissible error of every output element of a convolution computed in `dtype`.

    The bound comes from the arithmetic, never from a tuned tolerance: a sum of :math:`n` terms, each product
    and each addition rounded to nearest, in any order, with or without fused multiply-add, is off by at most

    .. math:: \gamma_n \sum |x||w|, \qquad \gamma_n = \frac{n u}{1 - n u},

    where :math:`u` is half of ``np.finfo(dtype).eps`` and a bias and a residual count as one more term each
    [1]_. A small constant for products below the smallest normal number is added.

    Parameters
    ----------
    input, weight, bias : array_like
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
        smaller.

    Returns
    -------
    ndarray of float64
        In the shape of the result. ``inf`` where the sum may overflow `dtype`, NaN where it has no finite
        value.

    See Also
    --------
    assert_conv_close : compares with a convolution, within this bound.

    References
    ----------
    .. [1] N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002, section 3.1.

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
    bound = _relative_bound(definition, dtype, algorithm) * magnitude
    bound += definition.terms * float(info.smallest_subnormal)
    with np.errstate(invalid="ignore"):
        bound = np.where(magnitude + bound > float(info.max), np.inf, bound)
    return np.where(np.isfinite(magnitude), bound, np.nan)


def _relative_bound(definition: Definition, dtype: np.dtype[Any], algorithm: str) -> float:
    """What the bound is as a multiple of the magnitude."""
    roundings = float(definition.terms)
    if algorithm != "highest":
        kind, declared, _ = declared_bound(definition, dtype, algorithm)
        if kind != "elementwise":
            raise ValueError(f"the bound of {algorithm!r} is by {kind}; only elementwise bounds are computed")
        roundings = min(roundings, declared)
    error = roundings * float(np.finfo(dtype).eps) / 2
    if error >= 0.5:
        raise ValueError(f"no useful bound: {roundings:.0f} roundings in {dtype} may lose every digit")
    return error / (1 - error)


def declared_bound(definition: Definition, dtype: np.dtype[Any], algorithm: str) -> tuple[str, float, bool]:
    """(kind, roundings, exact on integers) that an algorithm's registry row declares for this problem."""
    from pyconv import _core

    problem = definition.problem_text(dtype)
    declared: tuple[str, float, bool] = _core.error_bound(problem, algorithm, "highest")
    return declared
