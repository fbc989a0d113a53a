"""The Python blocks of these pages run in order and print the text block that follows them."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)


def lines(text):
    return [line.rstrip() for line in text.rstrip().splitlines()]


@pytest.mark.parametrize("page", ["start.md", "convolution-explained.md", "explaining.md"])
def test_page(page, capsys):
    namespace = {"__name__": "page"}
    blocks = BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
    assert len(blocks) >= 4
    for code, promised in blocks:
        exec(compile(code, page, "exec"), namespace)
        assert lines(capsys.readouterr().out) == lines(promised)
