"""Every code block of README and the documentation runs, and prints what the page says.

Python blocks of a page run in order, in one namespace; the text block below one is its output. README's may
say it as ``print(...)  # output`` instead. Commands run in an empty folder; of those that measure for minutes
the arguments are read, by the real parser.
"""

import contextlib
import importlib.util
import io
import re
import shlex
import subprocess
import sys

import numpy as np
import pages
import pytest

from pyconv import __main__ as command_line
from pyconv.bench.cli import _options as bench_options

PAGES = {pages.name_of(page): pages.blocks(page) for page in pages.all_pages()}
PYTHON = [name for name, blocks in PAGES.items() if any(block.kind == "python" for block in blocks)]
# Directives of the documentation's own language, and quotations, which are no code.
NO_CODE = re.compile(r"text|\{(toctree|include|image|raw|eval-rst)\}.*")
SHELL = ("console", "sh")
# What was measured is reported with the command of its day; README's figures stand between two marks.
RECORD = re.compile(r"CHANGELOG|docs/performance|docs/decisions")
FIGURES = re.compile(r"<!-- speed: .*?<!-- end of speed -->", re.DOTALL)
# They measure this machine for minutes, or write README, which tests/test_bench_readme.py tries on a copy.
NOT_RUN_HERE = re.compile(
    r"python (-P )?(benchmarks/\w+\.py|-m pytest benchmarks|-m pyconv\.bench\.\w+)( |$)"
)
# What CI does itself: see .ci/run.
DONE_BY_CI = re.compile(r"make (\w+)|pip install \.|bash \.ci/run")


def commands():
    """(where, command) for each line of the shell blocks, and each command in a text."""
    for name, blocks in PAGES.items():
        for block in blocks:
            for line in block.text.splitlines() if block.kind in SHELL else ():
                if command := re.sub(r"\s+#.*", "", line.removeprefix("$ ")).strip():
                    yield str(block), command
        prose = "" if RECORD.match(name) else FIGURES.sub("", (pages.ROOT / name).read_text("utf-8"))
        for command in re.findall(r"(?<!`)`(python -[^`]+|python \w[^`]+)`", prose):
            yield name, " ".join(command.split())


COMMANDS = [pytest.param(*found, id=": ".join(found)) for found in commands()]


def test_every_block_is_of_a_kind_that_is_checked():
    unknown = [
        f"{block}: {block.kind!r}"
        for blocks in PAGES.values()
        for block in blocks
        if block.kind not in ("python", *SHELL) and not NO_CODE.fullmatch(block.kind)
    ]
    assert not unknown
    assert len(PYTHON) >= 10
    assert sum(block.kind == "python" for name in PYTHON for block in PAGES[name]) >= 40
    assert len(COMMANDS) >= 15


@pytest.mark.parametrize("name", PYTHON)
def test_the_python_of_a_page_prints_what_stands_below_it(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for block in PAGES[name]:
        if block.kind != "python":
            continue
        if name == "README.md":  # each example of README stands for itself
            namespace = {"__name__": "readme"}
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * block.line + block.text, name, "exec"), namespace)
        promised = block.output
        if promised is None:
            promised = "\n".join(re.findall(r"^print\(.*\)  # (.*)$", block.text, re.MULTILINE))
        assert pages.prints_as_promised(printed.getvalue(), promised), (
            f"{block} prints:\n{printed.getvalue()}"
        )


def test_a_promise_that_is_not_kept_is_seen():
    assert pages.prints_as_promised("a 12 b\n", "a ... b")
    assert not pages.prints_as_promised("a 12 c\n", "a ... b")
    assert not pages.prints_as_promised("a\n", "")
    assert not pages.prints_as_promised("", "a")


def test_readme_has_an_example_of_about_ten_lines():
    python = [block.text for block in PAGES["README.md"] if block.kind == "python"]
    assert any(8 <= len(code.strip().splitlines()) <= 14 for code in python)


@pytest.fixture
def folder(tmp_path):
    """An empty folder with the files that the pages' commands name."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.standard_normal((1, 2, 9, 9)))
    np.save(tmp_path / "w.npy", rng.standard_normal((3, 2, 3, 3)))
    np.save(tmp_path / "b.npy", rng.standard_normal(3))
    return tmp_path


@pytest.mark.parametrize(("where", "command"), COMMANDS)
def test_a_command_runs(where, command, folder):
    words = shlex.split(command)
    if by_ci := DONE_BY_CI.match(command):
        assert not by_ci[1] or re.search(
            rf"^{by_ci[1]}:", (pages.ROOT / "Makefile").read_text(), re.MULTILINE
        )
    elif words[:4] == ["python", "-m", "pyconv", "bench"] and "--help" not in words:
        arguments = command_line.parse(words[3:])
        if not (arguments.csv or arguments.model or arguments.compare):  # those files are the reader's
            assert bench_options(arguments).suites
    elif words[:3] == ["python", "-m", "pyconv"] or words[:2] == ["python", "examples/explain_gallery.py"]:
        script = [str(pages.ROOT / words[1])] if words[1].endswith(".py") else words[1:]
        command = [sys.executable, "-P", *script, *words[1 + len(script) :]]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    else:
        found = NOT_RUN_HERE.match(command)
        assert found, f"{where}: nobody runs {command!r}"
        what = found[2].removeprefix("-m ").removeprefix("pytest ")
        assert (pages.ROOT / what).exists() or importlib.util.find_spec(what)
