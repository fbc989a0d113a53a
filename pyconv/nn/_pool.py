"""Pooling layers: they hold the arguments of a pooling function."""

from __future__ import annotations

from typing import Any

from pyconv import _pooling
from pyconv._docstrings import AVG_POOL_LAYER, MAX_POOL_LAYER, documented
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


_MAX_ARGUMENTS = "dilation, return_indices, ceil_mode"
_AVG_ARGUMENTS = "ceil_mode, count_include_pad"
_AVG_ND_ARGUMENTS = f"{_AVG_ARGUMENTS}, divisor_override"


@documented(
    MAX_POOL_LAYER, 1, layer="MaxPool1d", function="max_pool1d", arguments=_MAX_ARGUMENTS
)  # fmt: skip
class MaxPool1d(_MaxPoolNd):
    """A 1-D max pooling layer, like ``torch.nn.MaxPool1d``.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> pyconv.nn.MaxPool1d(2)(np.ones((1, 3, 8), np.float32)).shape
    (1, 3, 4)
    """

    _rank = 1


@documented(
    MAX_POOL_LAYER, 2, layer="MaxPool2d", function="max_pool2d", arguments=_MAX_ARGUMENTS
)  # fmt: skip
class MaxPool2d(_MaxPoolNd):
    """A 2-D max pooling layer, like ``torch.nn.MaxPool2d``.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> pyconv.nn.MaxPool2d(2)(np.ones((1, 3, 8, 8), np.float32)).shape
    (1, 3, 4, 4)
    """

    _rank = 2


@documented(
    MAX_POOL_LAYER, 3, layer="MaxPool3d", function="max_pool3d", arguments=_MAX_ARGUMENTS
)  # fmt: skip
class MaxPool3d(_MaxPoolNd):
    """A 3-D max pooling layer, like ``torch.nn.MaxPool3d``.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> pyconv.nn.MaxPool3d(2)(np.ones((1, 3, 8, 8, 8), np.float32)).shape
    (1, 3, 4, 4, 4)
    """

    _rank = 3


@documented(
    AVG_POOL_LAYER, 1, layer="AvgPool1d", function="avg_pool1d", arguments=_AVG_ARGUMENTS
)  # fmt: skip
class AvgPool1d(_AvgPoolNd):
    """A 1-D average pooling layer, like ``torch.nn.AvgPool1d``.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> pyconv.nn.AvgPool1d(2)(np.ones((1, 3, 8), np.float32)).shape
    (1, 3, 4)
    """

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


@documented(
    AVG_POOL_LAYER, 2, layer="AvgPool2d", function="avg_pool2d", arguments=_AVG_ND_ARGUMENTS
)  # fmt: skip
class AvgPool2d(_AvgPoolNd):
    """A 2-D average pooling layer, like ``torch.nn.AvgPool2d``.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> pyconv.nn.AvgPool2d(2)(np.ones((1, 3, 8, 8), np.float32)).shape
    (1, 3, 4, 4)
    """

    _rank = 2


@documented(
    AVG_POOL_LAYER, 3, layer="AvgPool3d", function="avg_pool3d", arguments=_AVG_ND_ARGUMENTS
)  # fmt: skip
class AvgPool3d(_AvgPoolNd):
    """A 3-D average pooling layer, like ``torch.nn.AvgPool3d``.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> pyconv.nn.AvgPool3d(2)(np.ones((1, 3, 8, 8, 8), np.float32)).shape
    (1, 3, 4, 4, 4)
    """

    _rank = 3
