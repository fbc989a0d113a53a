"""pyconv/_core.pyi says what the compiled module holds: names, parameters and types."""

import ast
import re
from pathlib import Path

import pytest

from pyconv import _core

# (name, parameter names, parameter types, return type); "object" stands for anything.
Signature = tuple[str, list[str], list[str], str]

SCALARS = {
    "typing.SupportsInt | typing.SupportsIndex": "int",
    "typing.SupportsFloat | typing.SupportsIndex": "float",
}


def plain_type(annotation: str) -> str:
    """The type without its arguments: what both sides can say."""
    annotation = SCALARS.get(annotation, annotation).replace("pyconv._core.", "")
    annotation = annotation.removesuffix(" | None")
    return "object" if annotation == "Any" else annotation.partition("[")[0]


def signature_of(node: ast.FunctionDef) -> Signature:
    args = [arg for arg in (*node.args.posonlyargs, *node.args.args) if arg.arg != "self"]
    types = [plain_type(ast.unparse(arg.annotation)) for arg in args]
    return node.name, [arg.arg for arg in args], types, plain_type(ast.unparse(node.returns))


def written() -> dict[str, Signature]:
    found = {}
    for node in ast.parse((Path(_core.__file__).parent / "_core.pyi").read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = signature_of(node)
        elif isinstance(node, ast.ClassDef):
            for member in node.body:
                found[f"{node.name}.{member.name}"] = signature_of(member)
    return found


def compiled() -> dict[str, Signature]:
    found = {}
    for name, value in vars(_core).items():
        if name.startswith("_"):
            continue
        members = (
            {f"{name}.{k}": v for k, v in vars(value).items()} if isinstance(value, type) else {name: value}
        )
        for member, function in members.items():
            if isinstance(function, property):
                documented = f"{member.partition('.')[2]}() -> object"
            elif callable(function) and re.search(r"->", function.__doc__ or ""):
                documented = function.__doc__.splitlines()[0]
            else:
                continue
            (node,) = ast.parse(f"def {documented}: ...").body
            found[member] = signature_of(node)
    return found


WRITTEN, COMPILED = written(), compiled()


def test_the_stub_names_what_the_module_holds():
    assert COMPILED
    assert sorted(WRITTEN) == sorted(COMPILED)


@pytest.mark.parametrize("name", sorted(COMPILED))
def test_the_stub_has_the_module_s_signature(name):
    _, names, types, returns = WRITTEN[name]
    _, compiled_names, compiled_types, compiled_returns = COMPILED[name]
    assert len(names) == len(compiled_names)
    for written_name, compiled_name in zip(names, compiled_names, strict=True):
        assert compiled_name in {written_name, f"arg{names.index(written_name)}"}
    for written_type, compiled_type in zip(
        [*types, returns], [*compiled_types, compiled_returns], strict=True
    ):
        assert compiled_type in {written_type, "object"}
