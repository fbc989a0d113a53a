"""Conv1d, Conv2d, Conv3d: one implementation, three ranks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pyconv import _core
from pyconv._arrays import convert_and_call
from pyconv._docstrings import CONV_LAYER, documented
from pyconv._options import compiled
from pyconv.functional import Activation, DataFormat, IntOrInts, Padding, PaddingMode
from pyconv.nn._module import Array, Module, copy_parameter

_conv = _core.conv


def _per_dimension(value: IntOrInts, rank: int, name: str) -> tuple[int, ...]:
    values = (value,) * rank if isinstance(value, int | np.integer) else tuple(value)
    if len(values) != rank:
        raise ValueError(f"{name} must have 1 or {rank} entries, got {len(values)}: {value!r}")
    return tuple(int(v) for v in values)


class _ConvNd(Module):
    _rank: int
    _parameter_names = ("weight", "bias")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrInts,
        stride: IntOrInts = 1,
        padding: Padding = 0,
        dilation: IntOrInts = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        *,
        dtype: npt.DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
        activation: Activation = None,
        data_format: DataFormat = "channels_first",
    ) -> None:
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if groups < 1 or channels % groups:
                raise ValueError(
                    f"{name} must be divisible by groups: {name} is {channels}, groups is {groups}"
                )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = _per_dimension(kernel_size, self._rank, "kernel_size")
        self.stride = _per_dimension(stride, self._rank, "stride")
        self.dilation = _per_dimension(dilation, self._rank, "dilation")
        self.padding, self.padding_mode = padding, padding_mode
        self.activation, self.data_format = activation, data_format
        self._init_parameters(np.dtype(dtype), np.random.default_rng(rng), bias)

    def _init_parameters(self, dtype: np.dtype[Any], rng: np.random.Generator, with_bias: bool) -> None:
        """Like torch: uniform in +-1 / sqrt(fan_in)."""
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        fan_in = math.prod(shape[1:])
        limit = 1 / math.sqrt(fan_in) if fan_in else 0.0
        self._bias: Array | None = None
        self.weight = rng.uniform(-limit, limit, shape).astype(dtype)
        if with_bias:
            self._bias = copy_parameter(
                rng.uniform(-limit, limit, self.out_channels).astype(dtype), "bias", (self.out_channels,)
            )

    @property
    def weight(self) -> Array:
        """The weights, shape (out_channels, in_channels / groups, *kernel_size); read-only.

        Assign to replace them: the array is copied, its shape checked, its float dtype taken over, and the
        packed forms dropped.
        """
        return self._weight

    @weight.setter
    def weight(self, value: Any) -> None:
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self._weight = copy_parameter(value, "weight", shape)
        self._cache = _core.LayerCache()

    @property
    def bias(self) -> Array | None:
        """The bias, shape (out_channels,), read-only, or None. Assign to replace it, None to drop it."""
        return self._bias

    @bias.setter
    def bias(self, value: Any) -> None:
        self._bias = None if value is None else copy_parameter(value, "bias", (self.out_channels,))

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        cache = self.__dict__.get("_cache")
        if name != "_cache" and cache is not None:
            self._cache = cache.renewed()  # its last call was checked with the value before

    def __call__(self, input: Any, *, residual: Any = None, out: Any = None) -> Any:
        cache = self._cache  # before the arguments: another thread may be assigning one
        if residual is None:
            result = cache.again(input, out, compiled())
            if result is not None:
                return result
        result = _conv(
            self._rank, input, self._weight, self._bias, self.stride, self.padding, self.dilation,
            self.groups, self.padding_mode, self.activation, residual, self.data_format, "auto", out,
            compiled(), cache,
        )  # fmt: skip
        return result if result is not NotImplemented else self._convert(input, residual, out, cache)

    def _convert(self, input: Any, residual: Any, out: Any, cache: _core.LayerCache) -> Any:
        weight = self._weight

        def call(a: dict[str, Any], plain_out: Any) -> Any:
            # Promoted to another dtype, the weights are no longer the packed ones.
            return _conv(
                self._rank, a["input"], a["weight"], a["bias"], self.stride, self.padding, self.dilation,
                self.groups, self.padding_mode, self.activation, a["residual"], self.data_format, "auto",
                plain_out, compiled(), cache if a["weight"] is weight else None,
            )  # fmt: skip

        arrays = {"input": input, "weight": weight, "bias": self._bias, "residual": residual}
        return convert_and_call(call, arrays, out)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_cache"]  # packed again where it is used
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._weight.flags.writeable = False
        if self._bias is not None:
            self._bias.flags.writeable = False
        self._cache = _core.LayerCache()

    def _describe(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        defaults = {"padding": 0, "dilation": (1,) * self._rank, "groups": 1, "padding_mode": "zeros"}
        defaults |= {"activation": None, "data_format": "channels_first"}
        for name, default in defaults.items():
            value = getattr(self, name)
            if value != default:
                text += f", {name}={value!r}"
        return text + ("" if self._bias is not None else ", bias=False")


@documented(CONV_LAYER, 1)
class Conv1d(_ConvNd):
    """A 1-D convolution layer, like ``torch.nn.Conv1d``.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> layer = pyconv.nn.Conv1d(2, 3, kernel_size=4, rng=0)
    >>> layer(np.ones((1, 2, 11), np.float32)).shape
    (1, 3, 8)
    """

    _rank = 1


@documented(CONV_LAYER, 2)
class Conv2d(_ConvNd):
    """A 2-D convolution layer, like ``torch.nn.Conv2d``.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> layer = pyconv.nn.Conv2d(2, 3, kernel_size=4, rng=0)
    >>> layer(np.ones((1, 2, 11, 11), np.float32)).shape
    (1, 3, 8, 8)
    """

    _rank = 2


@documented(CONV_LAYER, 3)
class Conv3d(_ConvNd):
    """A 3-D convolution layer, like ``torch.nn.Conv3d``.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> layer = pyconv.nn.Conv3d(2, 3, kernel_size=4, rng=0)
    >>> layer(np.ones((1, 2, 5, 11, 11), np.float32)).shape
    (1, 3, 2, 8, 8)
    """

    _rank = 3
