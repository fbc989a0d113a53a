"""The benchmark product: one harness, one notion of a case, one folder of rivals, one report.

Nothing here is imported by `import pyconv`; torch and the other rivals are imported only when a
benchmark that uses them starts. docs/benchmarking.md explains the method.
"""

from pyconv.bench.cases import Case
from pyconv.bench.harness import Method, interleave
from pyconv.bench.problem_string import format_case, parse_case

__all__ = ["Case", "Method", "format_case", "interleave", "parse_case"]
