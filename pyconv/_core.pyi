"""The compiled module: private, called positionally. tests/test_core_stub.py compares this file with it."""

from typing import Any

class Options:
    def __init__(self, num_threads: int, isa: str, algorithm: str, precision: str) -> None: ...

class LayerCache:
    def __init__(self) -> None: ...
    def again(self, input: Any, out: Any, options: Options | None) -> Any: ...
    def renewed(self) -> LayerCache: ...
    @property
    def nbytes(self) -> int: ...

# Arrays the extension cannot read as they are come back as NotImplemented; pyconv/_arrays.py converts them.
def conv(
    rank: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any,
    activation: Any,
    residual: Any,
    data_format: Any,
    algorithm: str,
    out: Any,
    options: Options | None,
    cache: LayerCache | None,
) -> Any: ...
def conv_problem(
    rank: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any,
    activation: Any,
    residual: Any,
    data_format: Any,
) -> Any: ...
def plan(problem: str, data_format: str, algorithm: str, options: Options | None) -> dict[str, Any]: ...
def error_bound(problem: str, algorithm: str, precision: str) -> tuple[str, float, bool]: ...
def bound_tile(problem: str, algorithm: str) -> tuple[int, int, int]: ...
def output_size(
    size: int, pad_begin: int, pad_end: int, kernel: int, stride: int, dilation: int, ceil_mode: bool
) -> int: ...
def size_rule(
    size: int,
    pad_begin: int,
    pad_end: int,
    kernel: int,
    stride: int,
    dilation: int,
    ceil_mode: bool,
    name: str,
) -> str: ...
def algorithms() -> list[tuple[str, str]]: ...
def pool(
    kind: str,
    rank: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
    count_include_pad: bool,
    divisor_override: Any,
    data_format: Any,
    out: Any,
    options: Options | None,
) -> Any: ...
def pool_plan(problem: str, data_format: str, options: Options | None) -> dict[str, Any]: ...
def available_isas() -> list[str]: ...
def default_isa() -> str: ...
def default_num_threads() -> int: ...
def get_num_threads() -> int: ...
def set_num_threads(threads: int) -> None: ...
def cpu_info() -> dict[str, Any]: ...
def fma_peak(isa: str, dtype: str, seconds: float) -> float: ...
def read_bandwidth(seconds: float) -> float: ...
