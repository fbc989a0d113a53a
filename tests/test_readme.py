"""README's Python blocks run as written and print what README says they print.

Either each `print(...)  # text` prints that text, or a text block follows with the whole output.
"""

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCKS = re.findall(
    r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", README.read_text(), re.MULTILINE | re.DOTALL
)


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def test_readme_has_an_example_of_about_ten_lines():
    assert any(8 <= len(code.strip().splitlines()) <= 14 for code, _ in BLOCKS)


@pytest.mark.parametrize(("code", "output"), BLOCKS, ids=range(len(BLOCKS)))
def test_readme_block(code, output, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "<README>", "exec"), {"__name__": "readme"})
    promised = lines(output) or re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert lines(capsys.readouterr().out) == promised
