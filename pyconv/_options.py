"""Settings that hold for a block of code: ``with pyconv.options(...)``, on a ContextVar."""

from __future__ import annotations

from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Literal, NamedTuple

from pyconv import _core

Precision = Literal["highest", "high", "medium"]
Isa = Literal["auto", "baseline", "avx2", "avx512", "neon"]


class _Settings(NamedTuple):  # a dataclass would cost 2 ms of the import
    num_threads: int = 0
    isa: str = ""
    algorithm: str = ""
    precision: str = "high"


# The settings, and the compiled form of them that every call passes down (None: all defaults).
_SETTINGS: ContextVar[_Settings] = ContextVar("pyconv_settings", default=_Settings())  # noqa: B039 (frozen)
_COMPILED: ContextVar[_core.Options | None] = ContextVar("pyconv_options", default=None)
compiled = _COMPILED.get


class options:
    """Set how calls inside a ``with`` block run.

    Parameters
    ----------
    num_threads : int, optional
        Threads a call may use, at least 1; a number above the number of CPUs is obeyed.
        Default: :func:`pyconv.get_num_threads`.
    isa : {"auto", "baseline", "avx2", "avx512", "neon"}, optional
        The kernel table. Default: ``PYCONV_ISA`` if set, else the fastest this CPU runs.
    algorithm : str, optional
        The convolution algorithm for calls that say ``algorithm="auto"``.
    precision : {"highest", "high", "medium"}, optional
        Which algorithms ``"auto"`` may choose from. ``"highest"`` admits only those with an
        elementwise error bound, ``"high"`` also Winograd's that are as accurate on average and exact on
        small integers (F(2x2, 3x3), F(3x3, 2x2), F(4x4, 3x3) with complex points), ``"medium"`` also the less
        accurate F(4x4, 3x3) with real ones.
        Default ``"high"``.

    Raises
    ------
    ValueError
        If a name is unknown, or the instruction set cannot run here; the message says why.

    Notes
    -----
    Settings nest; what an inner block leaves out is inherited. They belong to the current context
    (:mod:`contextvars`): other threads and other asyncio tasks are not affected. A block may be
    entered again, also inside itself.

    Differences from PyTorch
    ------------------------
    ``torch.set_num_threads`` and ``torch.set_float32_matmul_precision``, whose words ``precision`` takes,
    hold for the whole process; these settings hold for a block of code.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> x, w = np.ones((1, 1, 4), np.float32), np.ones((1, 1, 2), np.float32)
    >>> with pyconv.options(num_threads=1, isa="baseline"):
    ...     pyconv.conv1d(x, w)
    array([[[2., 2., 2.]]], dtype=float32)
    """

    def __init__(
        self,
        *,
        num_threads: int | None = None,
        isa: Isa | None = None,
        algorithm: str | None = None,
        precision: Precision | None = None,
    ) -> None:
        if num_threads is not None and num_threads < 1:
            raise ValueError(f"num_threads must be at least 1, got {num_threads}")
        if algorithm is not None and algorithm != "auto":
            names = [name for name, _ in _core.algorithms()]
            if algorithm not in names:
                raise ValueError(f"algorithm must be one of {[*names, 'auto']}, got {algorithm!r}")
        asked: dict[str, Any] = {
            "num_threads": num_threads,
            "isa": isa,
            "algorithm": algorithm,
            "precision": precision,
        }
        self._changes: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
        self._tokens: list[tuple[Token[_Settings], Token[_core.Options | None]]] = []
        _compile(_Settings()._replace(**self._changes))  # raises now rather than at the first call

    def __enter__(self) -> options:
        settings = _SETTINGS.get()._replace(**self._changes)
        self._tokens.append((_SETTINGS.set(settings), _COMPILED.set(_compile(settings))))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        settings_token, compiled_token = self._tokens.pop()
        _SETTINGS.reset(settings_token)
        _COMPILED.reset(compiled_token)


def _compile(settings: _Settings) -> _core.Options:
    return _core.Options(settings.num_threads, settings.isa, settings.algorithm, settings.precision)


def get_num_threads() -> int:
    """Return how many threads a call may use here.

    Returns
    -------
    int
        The number of the innermost :func:`pyconv.options` block, else the last
        :func:`set_num_threads`, else ``PYCONV_NUM_THREADS``, else ``OMP_NUM_THREADS``, else the
        number of CPUs this process may use (affinity mask and cgroup quota).

    Examples
    --------
    >>> import pyconv
    >>> with pyconv.options(num_threads=3):
    ...     pyconv.get_num_threads()
    3
    """
    return _SETTINGS.get().num_threads or _core.get_num_threads()


def set_num_threads(threads: int) -> None:
    """Set how many threads a call may use, for the whole process.

    Parameters
    ----------
    threads : int
        At least 1; a number above the number of CPUs is obeyed.

    Raises
    ------
    ValueError
        If ``threads`` is below 1.

    See Also
    --------
    pyconv.options : the same for a block of code.

    Examples
    --------
    >>> import pyconv
    >>> before = pyconv.get_num_threads()
    >>> pyconv.set_num_threads(2)
    >>> pyconv.get_num_threads()
    2
    >>> pyconv.set_num_threads(before)
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    _core.set_num_threads(threads)
