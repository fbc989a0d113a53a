"""A result against the definition, within the error bound, and a report that helps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._bounds import bound_of
from ._definition import Array, Definition, define
from ._hints import hints, permuted

MISMATCHES_SHOWN = 5


def assert_conv_close(
    actual: npt.ArrayLike,
    desired: npt.ArrayLike | None,
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *args: Any,
    dtype: npt.DTypeLike | None = None,
    algorithm: str = "highest",
    err_msg: str = "",
    verbose: bool = True,
    **kwargs: Any,
) -> None:
    """Raise an AssertionError unless `actual` is the convolution, within its error bound.

    The tolerance is :func:`error_bound`, a different one for every element; there is none to choose. Where
    the exact value is NaN or infinite, `actual` must be the same.

    Parameters
    ----------
    actual : array_like
        The result to judge.
    desired : array_like or None
        What it should be, from an implementation that computes in float64 or wider. With None it is computed
        here, in float64, from the definition.
    input, weight, bias, *args, **kwargs
        The convolution, as for :func:`pyconv.conv2d` (the rank is the weight's): ``stride``, ``padding``,
        ``dilation``, ``groups``, ``padding_mode``, ``activation``, ``residual``, ``data_format``.
    dtype : dtype, optional
        The type `actual` was computed in. Default: that of `actual`.
    algorithm : str, optional
        Whose bound is allowed: ``"highest"`` or the name of an algorithm of pyconv, see :func:`error_bound`.
    err_msg : str, optional
        Printed in case of failure.
    verbose : bool, optional
        Append the arrays to the report.

    Raises
    ------
    AssertionError
        With the worst element, its error in units of the bound, how many mismatches touch the padding, and,
        if one fits, the usual mistake that gives exactly this result: the text of :func:`explain_diff`.
    ValueError
        If the arguments are no convolution.

    Differences from PyTorch
    ------------------------
    ``torch.testing.assert_close`` needs a tolerance, one for all elements; here it follows from the sums.

    Examples
    --------
    >>> import numpy as np
    >>> from pyconv.testing import assert_conv_close
    >>> x = np.arange(8.0, dtype=np.float32).reshape(1, 1, 8)
    >>> w = np.array([[[1.0, 2.0]]], dtype=np.float32)
    >>> assert_conv_close(np.float32([[[2, 5, 8, 11, 14, 17, 20]]]), None, x, w)
    >>> flipped = np.float32([[[1, 4, 7, 10, 13, 16, 19]]])
    >>> try:
    ...     assert_conv_close(flipped, None, x, w, verbose=False)
    ... except AssertionError as report:
    ...     print(str(report).strip())
    Not equal to the convolution within its error bound (float32, algorithm='highest')
    <BLANKLINE>
    Mismatched elements: 7 / 7 (100%)
    First 5 mismatches are at indices:
     [0, 0, 0]: 1.0 (ACTUAL), 2.0 (DESIRED)
     [0, 0, 1]: 4.0 (ACTUAL), 5.0 (DESIRED)
     [0, 0, 2]: 7.0 (ACTUAL), 8.0 (DESIRED)
     [0, 0, 3]: 10.0 (ACTUAL), 11.0 (DESIRED)
     [0, 0, 4]: 13.0 (ACTUAL), 14.0 (DESIRED)
    Worst element: [0, 0, 0], off by 1 = 4.19e+06 times its bound of 2.38e-07
    Windows that touch the padding: 0 of 0 wrong; inside: 7 of 7 wrong
    Hint: this is the result for a flipped kernel (scipy.signal convolves, torch and pyconv correlate)
    """
    __tracebackhide__ = True
    comparison = (actual, desired, input, weight, bias, *args)
    difference = explain_diff(*comparison, dtype=dtype, algorithm=algorithm, terms=verbose, **kwargs)
    if not difference:
        return
    kind = np.asarray(actual).dtype if dtype is None else np.dtype(dtype)
    lines = [f"Not equal to the convolution within its error bound ({kind}, algorithm={algorithm!r})"]
    lines += [err_msg] if err_msg else []
    lines += ["", difference]
    if verbose:
        expected = define(input, weight, bias, *args, **kwargs).result() if desired is None else desired
        lines += [_shown(" ACTUAL: ", np.asarray(actual)), _shown(" DESIRED: ", np.asarray(expected))]
    raise AssertionError("\n" + "\n".join(lines))


def explain_diff(
    actual: npt.ArrayLike,
    desired: npt.ArrayLike | None,
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *args: Any,
    dtype: npt.DTypeLike | None = None,
    algorithm: str = "highest",
    terms: bool = True,
    **kwargs: Any,
) -> str:
    """Say where a result is not the convolution of `input` and `weight`, and which mistake it looks like.

    Parameters
    ----------
    actual, desired, input, weight, bias, *args, dtype, algorithm, **kwargs
        As for :func:`assert_conv_close`, which raises with this text.
    terms : bool, optional
        Append the products that the worst element is the sum of, as :func:`pyconv.explain` prints them.

    Returns
    -------
    str
        The mismatches, the worst element, how many of them touch the padding, and a hint; empty if `actual`
        is right within the error bound. If the shapes differ, that, and whether the dimensions are permuted.

    Raises
    ------
    ValueError
        If the arguments are no convolution.

    Examples
    --------
    >>> import numpy as np
    >>> from pyconv.testing import explain_diff
    >>> x = np.arange(6.0, dtype=np.float32).reshape(1, 1, 6)
    >>> w, b = np.ones((1, 1, 3), np.float32), np.ones(1, np.float32)
    >>> explain_diff(np.float32([[[4, 7, 10, 13]]]), None, x, w, b)
    ''
    >>> print(explain_diff(np.float32([[[3, 6, 9, 12]]]), None, x, w, b, terms=False))
    Mismatched elements: 4 / 4 (100%)
    Mismatch at indices:
     [0, 0, 0]: 3.0 (ACTUAL), 4.0 (DESIRED)
     [0, 0, 1]: 6.0 (ACTUAL), 7.0 (DESIRED)
     [0, 0, 2]: 9.0 (ACTUAL), 10.0 (DESIRED)
     [0, 0, 3]: 12.0 (ACTUAL), 13.0 (DESIRED)
    Worst element: [0, 0, 0], off by 1 = 1.05e+06 times its bound of 9.54e-07
    Windows that touch the padding: 0 of 0 wrong; inside: 4 of 4 wrong
    Hint: this is the result without the bias
    """
    result = np.asarray(actual)
    definition = define(input, weight, bias, *args, **kwargs)
    kind = result.dtype if dtype is None else np.dtype(dtype)
    expected = definition.result() if desired is None else np.asarray(desired)
    for name, array in (("actual", result), ("desired", expected)):
        if array.shape != definition.result_shape:
            text = (
                f"(shapes of {name} and of the convolution differ)\n {array.shape}, {definition.result_shape}"
            )
            layout = permuted(array, definition)
            return f"{text}\nHint: {layout}" if layout else text
    # The reference rounds as well: for a float64 result that is as much again.
    bound = bound_of(definition, kind, algorithm) + bound_of(definition, np.dtype(np.float64))
    bound = definition.in_callers_format(bound)
    error = _error(result, expected)
    wrong: Array = ~((error <= bound) | (error == 0))  # the bound is NaN where the sum is
    if not np.any(wrong):
        return ""
    worst = _worst(error, bound, wrong)
    lines = _report(result, expected, error, bound, wrong, worst, definition)
    lines += [f"Hint: {hint}" for hint in hints(result, wrong, bound, definition)]
    lines += ["", _explained(worst, definition)] if terms else []
    return "\n".join(lines)


def _worst(error: Array, bound: Array, wrong: Array) -> tuple[int, ...]:
    """The index of the wrong element that is off by the largest multiple of its bound."""
    with np.errstate(divide="ignore", invalid="ignore"):
        units = np.where(wrong, np.nan_to_num(error / bound, nan=np.inf, posinf=np.inf), -1.0)
    return tuple(int(i) for i in np.unravel_index(np.argmax(units), units.shape))


def _explained(worst: tuple[int, ...], definition: Definition) -> str:
    """The products behind one element of the right result."""
    from pyconv._explain import explain

    at = worst if definition.batched else (0, *worst)
    at = (at[0], at[-1], *at[1:-1]) if definition.channels_last else at
    explanation = explain(
        definition.input, definition.weight, definition.bias, definition.stride, definition.padding,
        definition.dilation, definition.groups, padding_mode=definition.padding_mode, at=at,
    )  # fmt: skip
    after = [] if definition.residual is None else ["residual"]
    after += [] if definition.bounds == (-np.inf, np.inf) else ["activation"]
    note = f" (before {' and '.join(after)})" if after else ""
    return f"The worst element by definition, channels first{note}:\n{explanation}"


def _error(actual: Array, desired: Array) -> Array:
    """|actual - desired|; 0 where both are NaN or the same infinity, NaN where only one is."""
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(actual.astype(np.float64) - desired.astype(np.float64))
    same = (actual == desired) | (np.isnan(actual) & np.isnan(desired))
    return np.where(same, 0.0, np.where(np.isnan(error), np.inf, error))


def _report(
    actual: Array,
    desired: Array,
    error: Array,
    bound: Array,
    wrong: Array,
    worst: tuple[int, ...],
    definition: Definition,
) -> list[str]:
    indices = np.argwhere(wrong)
    percent = 100 * len(indices) / wrong.size
    lines = [f"Mismatched elements: {len(indices)} / {wrong.size} ({percent:.3g}%)"]
    if len(indices) > MISMATCHES_SHOWN:
        lines.append(f"First {MISMATCHES_SHOWN} mismatches are at indices:")
    else:
        lines.append("Mismatch at index:" if len(indices) == 1 else "Mismatch at indices:")
    for index in indices[:MISMATCHES_SHOWN]:
        at = tuple(index)
        lines.append(f" {_listed(at)}: {actual[at]} (ACTUAL), {desired[at]} (DESIRED)")
    with np.errstate(divide="ignore", invalid="ignore"):
        units = np.nan_to_num(error[worst] / bound[worst], nan=np.inf, posinf=np.inf)
    lines.append(
        f"Worst element: {_listed(worst)}, off by {error[worst]:.3g} = {units:.3g} times "
        f"its bound of {bound[worst]:.3g}"
    )
    wrong_positions = definition.from_callers_format(wrong)
    border = np.broadcast_to(definition.reads_padding(), wrong_positions.shape)
    lines.append(
        f"Windows that touch the padding: {np.sum(wrong_positions & border)} of {np.sum(border)} wrong; "
        f"inside: {np.sum(wrong_positions & ~border)} of {np.sum(~border)} wrong"
    )
    return lines


def _listed(index: tuple[Any, ...]) -> str:
    return "[" + ", ".join(str(int(i)) for i in index) + "]"


def _shown(label: str, array: Array) -> str:
    with np.printoptions(threshold=100, edgeitems=3):
        return label + repr(array)
