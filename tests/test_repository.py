"""The rules of docs/architecture.md that a machine can check: include direction, symbols, sizes, budgets."""

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyconv

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"

# A folder includes only from itself and from folders to its left.
FOLDERS = ["core", "problem", "runtime", "simd", "kernels", "algo", "engine", "bindings"]
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
MAX_WHEEL_BYTES = 5_000_000
MAX_IMPORT_SECONDS = 0.010


def cpp_files(folder: str = "") -> list[Path]:
    return sorted(path for path in (CSRC / folder).rglob("*") if path.suffix in {".h", ".cpp"})


def python_files() -> list[Path]:
    folders = ("pyconv", "tests", "benchmarks", "examples", "docs")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def own_includes(path: Path) -> list[str]:
    quoted = re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.MULTILINE)
    return [include for include in quoted if include != "doctest/doctest.h"]


def in_repository(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- source ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", [*FOLDERS, "tests"])
def test_folder_includes_only_from_folders_above_it(folder):
    allowed = {"tests", *FOLDERS} if folder == "tests" else set(FOLDERS[: FOLDERS.index(folder) + 1])
    files = cpp_files(folder)
    assert files, f"csrc/{folder} is empty: has a folder moved?"
    wrong = [
        f"{in_repository(path)} includes {include}"
        for path in files
        for include in own_includes(path)
        if include.partition("/")[0] not in allowed or not (CSRC / include).is_file()
    ]
    assert not wrong


def test_kernels_include_only_simd_types_and_freestanding_headers():
    """A library template instantiated here would be compiled for one ISA and linked for all."""
    freestanding = {"cstddef", "cstdint", "immintrin.h", "arm_neon.h"}
    wrong = []
    for path in cpp_files("kernels") + cpp_files("simd"):
        ours = [i for i in own_includes(path) if not re.match(r"(simd|kernels)/|core/types\.h$", i)]
        system = re.findall(r"^\s*#\s*include\s+<([^>]+)>", path.read_text(), re.MULTILINE)
        wrong += [f"{in_repository(path)} includes {i}" for i in ours + sorted({*system} - freestanding)]
    assert not wrong


def test_isa_conditionals_stay_in_simd():
    macro = re.compile(r"^\s*#\s*(?:el)?if.*\b(?:__AVX\w*|__FMA__|__SSE\w*|__ARM_NEON\w*)", re.MULTILINE)
    wrong = [in_repository(p) for p in cpp_files() if p.parent.name != "simd" and macro.search(p.read_text())]
    assert not wrong


def test_environment_is_read_in_one_file():
    readers = {
        in_repository(p)
        for p in cpp_files()
        if re.search(r"\bgetenv\b", p.read_text()) and p.parent.name != "tests"
    }
    assert readers == {"csrc/runtime/cpu.cpp"}


def test_build_uses_no_flag_that_changes_results_or_ties_it_to_a_machine():
    flags = "\n".join(line.partition("#")[0] for line in (ROOT / "CMakeLists.txt").read_text().splitlines())
    for forbidden in ("-march=native", "-ffast-math", "-Ofast"):
        assert forbidden not in flags
    assert "-ffp-contract=off" in flags


# --- sizes ----------------------------------------------------------------------------------------


def test_files_stay_small():
    long = {
        in_repository(path): count
        for path in cpp_files() + python_files()
        if (count := len(path.read_text().splitlines())) > MAX_FILE_LINES
    }
    assert not long


def cpp_functions(text: str) -> Iterator[tuple[int, int]]:
    """(first line, number of lines) of every body after a parameter list; clang-formatted code only."""
    code = re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*', "", text).splitlines()
    control = re.compile(r"^\s*(?:\} )?(?:if|else|for|while|switch|do|catch|namespace)\b")
    head = re.compile(r"\)[^;]*\{\s*$")
    for first, line in enumerate(code):
        if not head.search(line) or control.match(line):
            continue
        depth = 0
        for last in range(first, len(code)):
            depth += code[last].count("{") - code[last].count("}")
            if depth <= 0:
                break
        yield first + 1, last - first + 1


def python_functions(text: str) -> Iterator[tuple[int, int]]:
    """(first line, number of lines after the docstring)"""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node, clean=False) is not None
            body = node.body[0].end_lineno if documented else node.lineno - 1
            yield node.lineno, node.end_lineno - body


def test_function_measures_see_a_long_function():
    lines = "  x += 1;\n" * 70
    assert list(cpp_functions(f"int f(int x) {{\n{lines}  return '{{';\n}}\n")) == [(1, 73)]
    assert list(python_functions('def f(x):\n    """One\n    two."""\n    return x\n')) == [(1, 1)]


def test_functions_stay_small():
    long = [
        f"{in_repository(path)}:{line}: {count} lines"
        for paths, functions in ((cpp_files(), cpp_functions), (python_files(), python_functions))
        for path in paths
        for line, count in functions(path.read_text())
        if count > MAX_FUNCTION_LINES
    ]
    assert not long


# --- what was built -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def build_dir() -> Path:
    """`make test` names the folder of the build under test; elsewhere there is none to look into."""
    if "PYCONV_BUILD_DIR" not in os.environ:
        pytest.skip("PYCONV_BUILD_DIR is not set: run through `make test`")
    return Path(os.environ["PYCONV_BUILD_DIR"])


def test_the_installed_package_is_tested(build_dir):
    assert Path(pyconv.__file__).resolve().parent != ROOT / "pyconv"


def test_kernel_objects_have_no_weak_symbols(build_dir):
    """Otherwise the linker may keep one ISA's copy of a shared function for every caller."""
    folder = build_dir / "wheel"
    objects = sorted(p for p in folder.rglob("*.o") if "kernels" in p.relative_to(folder).parts)
    assert len(objects) >= 2, f"no kernel objects below {folder}"
    listing = subprocess.run(
        ["nm", "-C", "--print-file-name", *objects], capture_output=True, text=True, check=True
    ).stdout
    assert listing
    assert [line for line in listing.splitlines() if re.search(r" [WVu] ", line)] == []


def test_wheel_is_small(build_dir):
    (wheel,) = (build_dir / "dist").glob("*.whl")
    assert wheel.stat().st_size <= MAX_WHEEL_BYTES


# --- what was installed ---------------------------------------------------------------------------


def test_version_is_the_distribution_s():
    assert pyconv.__version__ == importlib.metadata.version("pyconv-kernels")


def test_numpy_is_the_only_requirement():
    requires = importlib.metadata.requires("pyconv-kernels")
    assert [r for r in requires if "extra ==" not in r] == ["numpy>=1.26"]


IMPORT_PROBE = """
import json, sys, time
import numpy
before = set(sys.modules)
start = time.thread_time()
import pyconv
spent = time.thread_time() - start
print(json.dumps([spent, sorted(set(sys.modules) - before)]))
"""


def test_import_is_quick_and_pulls_no_framework():
    runs = []
    # Of this thread: NumPy's OpenBLAS starts threads of its own, which spin for some milliseconds after
    # `import numpy`. The least of a few: what else the machine does only adds.
    for _ in range(7):
        probe = subprocess.run(
            [sys.executable, "-P", "-c", IMPORT_PROBE], capture_output=True, text=True, check=True
        )
        runs.append(json.loads(probe.stdout))
    imported = {name.partition(".")[0] for name in runs[0][1]}
    assert "pyconv" in imported
    assert not imported & {"torch", "onnx", "dask", "scipy", "hypothesis", "pytest", "matplotlib", "numba"}
    assert min(spent for spent, _ in runs) <= MAX_IMPORT_SECONDS
