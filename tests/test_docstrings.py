"""Every public docstring: it says what its signature says, has its sections, and its examples run."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import pyconv
import pyconv.testing.strategies
from pyconv._explain import Check, Explanation, ReceptiveField, ShapeExplanation, Term
from pyconv._plan import Candidate

SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-+$", re.MULTILINE)
RESULTS = {c.__name__: c for c in (Candidate, Check, Explanation, ReceptiveField, ShapeExplanation, Term)}


def public(module):
    """The functions and classes that a module offers by name."""
    values = {name: getattr(module, name) for name in module.__all__}
    return {
        f"{module.__name__}.{name}": value
        for name, value in values.items()
        if callable(value) and not inspect.ismodule(value)
    }


PUBLIC = {
    **public(pyconv),
    **public(pyconv.nn),
    **public(pyconv.testing),
    **public(pyconv.testing.strategies),
}
# What is only handed out, never constructed or called by a user, documents its attributes instead.
HANDED_OUT = {"pyconv.Plan", "pyconv.nn.Module", "pyconv.testing.ExactInputs"}
CALLED = sorted(PUBLIC.keys() - HANDED_OUT)
WINDOWED = [name for name in CALLED if re.search(r"(conv|pool)\dd$", name, re.IGNORECASE)]


def sections(name):
    """Section titles to texts; the text before the first one is called Summary."""
    parts = SECTION.split(inspect.cleandoc(PUBLIC[name].__doc__))
    return {"Summary": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def documented_parameters(name):
    """Names to what stands behind the colon."""
    found = {}
    for line in sections(name).get("Parameters", "").splitlines():
        if line and not line.startswith(" "):
            names, _, kind = line.partition(" : ")
            found |= dict.fromkeys(re.split(r",\s*", names), kind)
    return found


@pytest.mark.parametrize("name", CALLED)
def test_the_parameters_are_those_of_the_signature(name):
    parameters = inspect.signature(PUBLIC[name]).parameters.values()
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    expected = [stars.get(p.kind, "") + p.name for p in parameters]
    assert sorted(documented_parameters(name)) == sorted(expected)


@pytest.mark.parametrize("name", CALLED)
def test_a_default_is_said(name):
    said = documented_parameters(name)
    for parameter in inspect.signature(PUBLIC[name]).parameters.values():
        kind = said.get(parameter.name, "")
        if parameter.default is inspect.Parameter.empty or not kind:
            continue  # without a kind: "as in conv2d", where it stands
        assert re.search(r"optional|default", kind), (parameter.name, kind)
        default = re.search(r'default ("?[\w.-]+"?)$', kind)
        if default and parameter.default is not None and not isinstance(parameter.default, type):
            assert str(parameter.default) == default[1].strip('"') or "," in kind, (parameter.name, kind)


@pytest.mark.parametrize("name", CALLED)
def test_it_has_its_sections(name):
    found, value = sections(name), PUBLIC[name]
    assert found["Summary"].splitlines()[0].endswith((".", "; print it.")), "one line says what it is"
    assert ">>> " in found["Examples"]
    signature = inspect.signature(value)
    if signature.parameters and not name.startswith("pyconv.testing.strategies"):
        assert "Error" in found["Raises"]
    if not inspect.isclass(value) and signature.return_annotation not in ("None", None):
        assert found["Returns"].strip()
    text = inspect.cleandoc(value.__doc__)
    assert "{" not in re.sub(r"\{(None|\")[^}]*\}", "", text.partition("Examples\n---")[0]), (
        "a word was not filled in"
    )


@pytest.mark.parametrize("name", WINDOWED)
def test_convolutions_and_poolings_have_formula_shape_rule_source_and_differences(name):
    found, rank = sections(name), int(name[-2])
    lines = found["Summary"].splitlines()
    assert any(line.lstrip().startswith("out[n, ") for line in lines)
    for axis in "dhw"[3 - rank :]:
        assert any(line.lstrip().startswith(f"out_{axis} = floor((in_{axis} + ") for line in lines)
    assert "arXiv:" in found["References"]
    assert "float32" in (text := " ".join(found.values()))
    assert "float64" in text
    kind = "nn" if name.startswith("pyconv.nn") else "nn.functional"
    assert f"torch.{kind}.{name.rpartition('.')[2]}" in found["Differences from PyTorch"]


def test_the_api_pages_have_everything_public_and_nothing_else():
    on_pages, module = set(), ""
    for page in sorted((Path(__file__).resolve().parent.parent / "docs").glob("api-*.md")):
        for directive, name in re.findall(
            r"^\.\. (currentmodule|auto\w+):: (\S+)$", page.read_text("utf-8"), re.MULTILINE
        ):
            if directive == "currentmodule":
                module = name
            elif directive != "automodule":
                on_pages.add(name if name.startswith("pyconv.") else f"{module}.{name}")
    results = {name for name in on_pages if "._explain." in name or "._plan." in name}
    assert on_pages - results == PUBLIC.keys() | {"pyconv.testing.CASES"}
    assert {name.rpartition(".")[2] for name in results} >= RESULTS.keys()


def test_everything_handed_out_is_documented():
    for value in (*RESULTS.values(), *(PUBLIC[name] for name in HANDED_OUT)):
        assert inspect.getdoc(value)
        for name, member in vars(value).items():
            if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                documented = (
                    inspect.getdoc(member) or f"{name} : " in value.__doc__ or f"{name}," in value.__doc__
                )
                assert documented, f"{value.__name__}.{name}"


MODULES = [m.name for m in pkgutil.walk_packages(pyconv.__path__, "pyconv.") if "__main__" not in m.name]


@pytest.mark.parametrize(
    "name", ["pyconv", *(m for m in MODULES if not m.startswith(("pyconv.bench", "pyconv._core")))]
)
def test_the_examples_run(name):
    """Also those of private modules; a class or function is found where it is written."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_examples_are_found_where_they_are_written():
    """A docstring that is put together at import is still one that doctest sees."""
    attempted = sum(
        doctest.testmod(importlib.import_module(m)).attempted
        for m in ("pyconv.functional", "pyconv._pooling")
    )
    written = sum(PUBLIC[name].__doc__.count(">>> ") for name in WINDOWED if not name.startswith("pyconv.nn"))
    assert attempted == written > 20


# --- the differences from PyTorch that are claimed -----------------------------------------------


def refused(function, *arguments, **keywords):
    try:
        function(*arguments, **keywords)
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        return True
    return False


def both(name, *arrays, **keywords):
    """Whether (pyconv, torch) refuse a call."""
    tensors = [torch.from_numpy(array) for array in arrays]
    return (
        refused(getattr(pyconv, name), *arrays, **keywords),
        refused(getattr(torch.nn.functional, name), *tensors, **keywords),
    )


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_convolution_differs_from_torch_as_its_docstring_says(rank):
    name, size = f"conv{rank}d", (4,) * rank
    x, w = ones(1, 2, *size), ones(3, 2, *(3,) * rank)
    assert both(name, x, w) == (False, False)
    assert both(name, x, w, padding=((1, 1),) * rank) == (False, True)
    assert both(name, x, w.astype(np.float64)) == (False, True)
    for dtype in (np.float16, np.int32, np.complex64):
        assert both(name, x.astype(dtype), w.astype(dtype)) == (True, False)
    result = getattr(pyconv, name)(x[:, :0], w[:, :0], ones(3))
    assert result.shape == (1, 3, *(2,) * rank)
    assert (result == 1).all()
    assert (
        getattr(torch.nn.functional, name)(*map(torch.from_numpy, (x[:, :0], w[:, :0], ones(3)))).shape
        != result.shape
    )
    assert both(name, ones(1, 2, *(0,) * rank), w, padding=2) == (False, True)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_pooling_differs_from_torch_as_its_docstring_says(rank):
    x = ones(1, 2, *(4,) * rank)
    for name in (f"max_pool{rank}d", f"avg_pool{rank}d"):
        assert both(name, x, kernel_size=2) == (False, False)
        other = torch.from_numpy(x).long() if name == "avg_pool3d" else torch.from_numpy(x).bfloat16()
        assert refused(getattr(pyconv, name), other, 2)
        assert not refused(getattr(torch.nn.functional, name), other, 2)
    small = ones(1, 1, *(2,) * rank)
    assert both(f"avg_pool{rank}d", small, kernel_size=3, stride=1, padding=1) == (False, rank == 3)
