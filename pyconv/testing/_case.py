"""ConvCase: one convolution problem without its data, from which tests draw the arguments of a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._definition import Array, define
from ._exact import exact_inputs

FILLS = ("exact", "dense", "sparse", "bright")


@dataclass(frozen=True)
class ConvCase:
    """A convolution problem: everything but the numbers.

    Parameters
    ----------
    in_ch, out_ch : int
    size, kernel : tuple of int
        One entry for each spatial dimension.
    batch : int or None, default 1
        None is an unbatched input.
    stride, padding, dilation, groups, padding_mode, activation : optional
        As for :func:`pyconv.conv2d`, with its defaults.
    bias, residual : bool, default False
        Whether there is one.

    Raises
    ------
    ValueError
        By ``arguments``, for a fill that does not exist, and as :func:`exact_inputs`.

    Examples
    --------
    >>> import numpy as np
    >>> from pyconv.testing import ConvCase, assert_conv_close
    >>> case = ConvCase(in_ch=2, out_ch=3, size=(11,), kernel=(4,), bias=True)
    >>> str(case)
    'n1c2w11_k3s4_bias'
    >>> arguments = case.arguments("exact", np.float32)
    >>> sorted(arguments)[:4]
    ['activation', 'bias', 'dilation', 'groups']
    >>> arguments["input"].shape
    (1, 2, 11)
    """

    in_ch: int
    out_ch: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    batch: int | None = 1
    stride: int | tuple[int, ...] = 1
    padding: str | int | tuple[Any, ...] = 0
    dilation: int | tuple[int, ...] = 1
    groups: int = 1
    padding_mode: str = "zeros"
    bias: bool = False
    residual: bool = False
    activation: str | tuple[str, float, float] | None = None

    @property
    def rank(self) -> int:
        return len(self.kernel)

    @property
    def input_shape(self) -> tuple[int, ...]:
        lead = () if self.batch is None else (self.batch,)
        return (*lead, self.in_ch, *self.size)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.out_ch, self.in_ch // self.groups, *self.kernel)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """Channels first."""
        lead = () if self.batch is None else (self.batch,)
        return (*lead, self.out_ch, *self._definition(np.empty(self.input_shape)).out_size)

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments of the call that are not arrays."""
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
            "padding_mode": self.padding_mode,
            "activation": self.activation,
        }

    def arguments(
        self,
        fill: str = "exact",
        dtype: npt.DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> dict[str, Any]:
        """All arguments of one call, by name, channels first.

        `fill` says what the arrays hold: ``"exact"`` small integers for which ``==`` must hold (see
        :func:`exact_inputs`), ``"dense"`` normal random numbers, ``"sparse"`` mostly zeros, ``"bright"`` one
        input element of 10,000 among zeros, which shows an error that is large beside a small result.
        """
        if fill not in FILLS:
            raise ValueError(f"fill must be one of {', '.join(FILLS)}, got {fill!r}")
        generator = (
            rng if isinstance(rng, np.random.Generator) else np.random.default_rng(0 if rng is None else rng)
        )
        residual_shape = self.out_shape if self.residual else None
        arrays = exact_inputs(
            self.input_shape,
            self.weight_shape,
            bias=self.bias,
            residual_shape=residual_shape,
            dtype=dtype,
            rng=generator,
        )._asdict()
        if fill != "exact":
            for array in arrays.values():
                if array is not None:
                    array[...] = generator.standard_normal(array.shape)
            arrays["input"] = _filled_input(arrays["input"], fill, generator)
        return arrays | self.parameters

    def _definition(self, input: Array) -> Any:
        parameters = self.parameters | {"activation": None}
        return define(input, np.empty(self.weight_shape), **parameters)

    def __str__(self) -> str:
        letters, taps = ("dhw"[3 - self.rank :], "trs"[3 - self.rank :])
        text = "" if self.batch is None else f"n{self.batch}"
        text += f"c{self.in_ch}" + "".join(f"{name}{n}" for name, n in zip(letters, self.size, strict=True))
        text += f"_k{self.out_ch}" + "".join(f"{name}{n}" for name, n in zip(taps, self.kernel, strict=True))
        for letter, value, default in (
            ("p", self.padding, 0),
            ("u", self.stride, 1),
            ("l", self.dilation, 1),
        ):
            if value != default:
                text += letter + _number_text(value)
        text += f"g{self.groups}" if self.groups != 1 else ""
        flags = [self.padding_mode] if self.padding_mode != "zeros" else []
        flags += [name for name in ("bias", "residual") if getattr(self, name)]
        if self.activation is not None:
            flags.append(self.activation if isinstance(self.activation, str) else self.activation[0])
        return "_".join([text, *flags])


def _filled_input(array: Array, fill: str, generator: np.random.Generator) -> Array:
    if fill == "sparse":
        array[generator.random(array.shape) >= 0.1] = 0
    if fill == "bright" and array.size:
        array[...] = 0
        array.flat[array.size // 2] = 10_000
    return array


def _number_text(value: Any) -> str:
    if isinstance(value, tuple):
        parts = (":".join(map(str, part)) if isinstance(part, tuple) else str(part) for part in value)
        return "x".join(parts)
    return str(value)
