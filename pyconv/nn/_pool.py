"""Pooling layers: they hold the arguments of a pooling function."""

from __future__ import annotations

from typing import Any

from pyconv import _pooling
from pyconv.functional import DataFormat, IntOrInts
from pyconv.nn._module import Module


class _MaxPoolNd(Module):
    _rank: int

    def __init__(
        self,
        kernel_size: IntOrInts,
        stride: IntOrInts | None = None,
        padding: IntOrInts = 0,
        dilation: IntOrInts = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
        *,
        data_format: DataFormat = "channels_first",
    ) -> None:
        self.kernel_size, self.stride = kernel_size, stride if stride is not None else kernel_size
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode, self.data_format = return_indices, ceil_mode, data_format
        self._function = getattr(_pooling, f"max_pool{self._rank}d")

    def __call__(self, input: Any, *, out: Any = None) -> Any:
        return self._function(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices, data_format=self.data_format, out=out,
        )  # fmt: skip

    def _describe(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class _AvgPoolNd(Module):
    _rank: int

    def __init__(
        self,
        kernel_size: IntOrInts,
        stride: IntOrInts | None = None,
        padding: IntOrInts = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        data_format: DataFormat = "channels_first",
    ) -> None:
        self.kernel_size, self.stride = kernel_size, stride if stride is not None else kernel_size
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override
        self.data_format = data_format
        self._function = getattr(_pooling, f"avg_pool{self._rank}d")

    def __call__(self, input: Any, *, out: Any = None) -> Any:
        # avg_pool1d has no divisor_override, as in torch.
        divisor = () if self._rank == 1 else (self.divisor_override,)
        return self._function(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            *divisor, data_format=self.data_format, out=out,
        )  # fmt: skip

    def _describe(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"ceil_mode={self.ceil_mode}, count_include_pad={self.count_include_pad}"
        )


_DOC = """A {n}-D {kind} pooling layer, like ``torch.nn.{name}``.

    Parameters
    ----------
    kernel_size, stride, padding, {arguments}
        As for :func:`pyconv.{function}`, in the order of ``torch.nn.{name}``.
    data_format : {{"channels_first", "channels_last"}}, default "channels_first"

    Raises
    ------
    ValueError
        When called, if the sizes do not fit; see :func:`pyconv.{function}`.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> pyconv.nn.{name}(2)(np.ones((1, 3{sizes}), np.float32)).shape
    (1, 3{outs})
    """

_MAX_ARGUMENTS = "dilation, return_indices, ceil_mode"
_AVG_ARGUMENTS = "ceil_mode, count_include_pad, divisor_override"


def _max_doc(n: int) -> str:
    return _DOC.format(
        n=n, kind="max", name=f"MaxPool{n}d", arguments=_MAX_ARGUMENTS, function=f"max_pool{n}d",
        sizes=", 8" * n, outs=", 4" * n,
    )  # fmt: skip


def _avg_doc(n: int) -> str:
    arguments = _AVG_ARGUMENTS if n > 1 else _AVG_ARGUMENTS.removesuffix(", divisor_override")
    return _DOC.format(
        n=n, kind="average", name=f"AvgPool{n}d", arguments=arguments, function=f"avg_pool{n}d",
        sizes=", 8" * n, outs=", 4" * n,
    )  # fmt: skip


class MaxPool1d(_MaxPoolNd):
    __doc__ = _max_doc(1)
    _rank = 1


class MaxPool2d(_MaxPoolNd):
    __doc__ = _max_doc(2)
    _rank = 2


class MaxPool3d(_MaxPoolNd):
    __doc__ = _max_doc(3)
    _rank = 3


class AvgPool1d(_AvgPoolNd):
    __doc__ = _avg_doc(1)
    _rank = 1

    def __init__(
        self,
        kernel_size: IntOrInts,
        stride: IntOrInts | None = None,
        padding: IntOrInts = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        *,
        data_format: DataFormat = "channels_first",
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad, data_format=data_format)


class AvgPool2d(_AvgPoolNd):
    __doc__ = _avg_doc(2)
    _rank = 2


class AvgPool3d(_AvgPoolNd):
    __doc__ = _avg_doc(3)
    _rank = 3
