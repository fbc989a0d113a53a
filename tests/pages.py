"""The fenced blocks of the Markdown pages, README and documentation alike, and running what they hold."""

from __future__ import annotations

import doctest
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^(`{3,}|~{3,})(.*?)\n(.*?)^\1[`~]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: what stands behind the fence, its lines, and where it begins."""

    page: str
    line: int
    kind: str
    text: str
    output: str | None = None  # of the text block directly below, which is what the code prints

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def all_pages() -> list[Path]:
    """Every Markdown page that people read."""
    top = sorted(path for path in ROOT.glob("*.md"))
    docs = sorted(path for path in (ROOT / "docs").rglob("*.md") if "generated" not in path.parts)
    return [*top, *docs]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    source = page.read_text(encoding="utf-8")
    matches = list(FENCE.finditer(source))
    found = []
    for match, following in zip(matches, [*matches, None][1:], strict=True):
        output = None
        directly = following and source[match.end() : following.start()] == "\n\n"
        if directly and following[2].strip() == "text":
            output = following[3]
        line = source.count("\n", 0, match.start()) + 1
        found.append(Block(name_of(page), line, match[2].strip(), match[3], output))
    return found


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def prints_as_promised(printed: str, promised: str) -> bool:
    """``...`` in a promise stands for anything, as in a doctest: for what another machine prints."""
    want, got = ("".join(f"{line}\n" for line in lines(text)) for text in (promised, printed))
    return doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS)
