"""Looking inside: which algorithm a convolution gets, why, and what this build can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyconv import _core
from pyconv._arrays import convert_and_call
from pyconv._options import compiled
from pyconv._version import __version__


@dataclass(frozen=True)
class Candidate:
    """One algorithm's answer to a problem.

    Attributes
    ----------
    algorithm : str
    cost_us : float
        Predicted microseconds for one image on one thread; means nothing if it cannot.
    refusal : str
        Why it cannot; empty if it can.
    """

    algorithm: str
    cost_us: float
    refusal: str


@dataclass(frozen=True)
class Plan:
    """How a convolution would run; print it.

    Attributes
    ----------
    problem : str
        The problem string, e.g. ``"n1c64h56w56_k64r3s3p1_f32"``.
    data_format : str
        How the input runs in memory.
    algorithm : str
        What runs.
    isa : str
        The kernel table that runs it.
    threads, chunks : int
        Threads allowed, and the pieces of output they take in turn.
    scratch_bytes_per_thread, packed_bytes : int
        Workspace of one thread, and the packed form of the weights.
    bound_kind, bound_factor, exact_on_integers
        The declared error: ``|error| <= factor * eps * sum|x||w|`` ("elementwise", or "tile": the sum over
        the whole tile).
    tile, in_place, band
        How the work is cut: the orientation of a tile of registers, whether it reads the input where it lies,
        and the (rows, columns, output channels) of one chunk.
    candidates : tuple of Candidate
        Every algorithm with its predicted cost in microseconds for one image, or why it cannot.
    flops : float
        Floating-point operations of the whole problem, a multiply-add counting two.
    """

    problem: str
    data_format: str
    algorithm: str
    isa: str
    threads: int
    chunks: int
    scratch_bytes_per_thread: int
    packed_bytes: int
    bound_kind: str
    bound_factor: float
    exact_on_integers: bool
    tile: str
    in_place: bool
    band: tuple[int, int, int]
    flops: float
    candidates: tuple[Candidate, ...]

    def __str__(self) -> str:
        where = "the input in place" if self.in_place else "a padded copy of a band of rows"
        rows, cols, channels = self.band
        lines = [
            f"{self.problem} ({self.data_format})",
            f"  runs      {self.algorithm} on {self.isa} kernels, "
            f"{self.threads} thread(s), {self.chunks} chunk(s)",
            f"  work      {self.flops / 1e9:.3g} GFLOP",
            f"  memory    {self.scratch_bytes_per_thread / 1024:.0f} KB scratch a thread, "
            f"{self.packed_bytes / 1024:.0f} KB packed weights",
            f"  error     {self.bound_kind}, at most {self.bound_factor:.0f} eps sum|x||w|"
            + (", exact on small integers" if self.exact_on_integers else ""),
        ]
        if self.algorithm != "naive":
            lines.append(
                f"  blocking  {self.tile} tiles over {where}, {rows} x {cols} pixels x {channels} channels"
            )
        lines.append("  candidates, predicted for one image on one thread:")
        for c in self.candidates:
            mark = "->" if c.algorithm == self.algorithm else "  "
            answer = f"cannot: {c.refusal}" if c.refusal else f"{c.cost_us:.4g} us"
            lines.append(f"   {mark} {c.algorithm:<14} {answer}")
        return "\n".join(lines)


def plan(
    input: Any,
    weight: Any = None,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    activation: Any = None,
    residual: Any = None,
    data_format: str = "channels_first",
    algorithm: str = "auto",
) -> Plan:
    """Say how a convolution would run, without running it.

    Parameters
    ----------
    input : array_like or str
        The arguments of :func:`pyconv.conv2d` (the number of spatial dimensions is read from ``weight``), or
        a problem string such as ``"n1c64h56w56_k64r3s3p1"`` (batch n, channels c, input d/h/w; out channels
        k, kernel t/r/s, padding p, stride u, dilation l, groups g; then flags such as ``_f64`` ``_bias``),
        whose input then runs in memory as ``data_format`` says.
    weight, bias, stride, padding, dilation, groups, padding_mode, activation, residual : optional
        As for :func:`pyconv.conv2d`.
    data_format, algorithm : str, optional
        As for :func:`pyconv.conv2d`, with its defaults.

    Returns
    -------
    Plan
        Printable; every algorithm's predicted cost or its reason for no.

    Raises
    ------
    ValueError
        As the call itself would: for sizes that do not fit, a problem string that cannot be read, or a forced
        algorithm that cannot.
    TypeError
        As the call itself would.

    Notes
    -----
    The algorithm is chosen from the problem of one image and from ``precision`` (:class:`pyconv.options`)
    alone; threads, instruction set and layout decide how it is cut. The dtype is that of the call: float32 or
    float64.

    Examples
    --------
    >>> import pyconv
    >>> p = pyconv.plan("n1c64h56w56_k64r3s3p1", algorithm="im2col")
    >>> p.algorithm, p.flops
    ('im2col', 231211008.0)
    """
    if isinstance(input, str):
        return _plan_of(input, data_format, algorithm)
    arrays = {"input": input, "weight": weight, "bias": bias, "residual": residual}

    def describe(a: dict[str, Any], _out: Any) -> tuple[str, str]:
        answer: tuple[str, str] = _core.conv_problem(
            a["weight"].ndim - 2, a["input"], a["weight"], a["bias"], stride, padding, dilation, groups,
            padding_mode, activation, a["residual"], data_format,
        )  # fmt: skip
        return answer

    problem, memory_format = convert_and_call(describe, arrays, keep_result=True)
    return _plan_of(problem, memory_format, algorithm)


def _plan_of(problem: str, memory_format: str, algorithm: str) -> Plan:
    raw = dict(_core.plan(problem, memory_format, algorithm, compiled()))
    kind, factor, exact = raw.pop("bound")
    candidates = tuple(Candidate(*row) for row in raw.pop("candidates"))
    raw.pop("out_size")
    return Plan(
        data_format=memory_format,
        bound_kind=kind,
        bound_factor=factor,
        exact_on_integers=exact,
        candidates=candidates,
        **raw,
    )


def show_config() -> None:
    """Print what this build and this machine offer: version, CPU, instruction sets, threads, caches.

    Examples
    --------
    >>> import pyconv
    >>> pyconv.show_config()  # doctest: +ELLIPSIS
    pyconv ...
    """
    info = _core.cpu_info()
    kib = {level: info[level] // 1024 for level in ("l1d", "l2", "l3")}
    print(f"pyconv {__version__}")
    print(f"  cpu         {info['model']}, {info['cpus']} usable CPU(s)")
    print(f"  caches      L1d {kib['l1d']} KB, L2 {kib['l2']} KB, L3 {kib['l3']} KB")
    print(f"  kernels     {', '.join(_core.available_isas())}; in use: {_core.default_isa()}")
    print(f"  threads     {_core.get_num_threads()}")
    print(f"  algorithms  {', '.join(name for name, _ in _core.algorithms())}")
