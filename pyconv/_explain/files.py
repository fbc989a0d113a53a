"""Writes an explanation to a file of the kind that its name asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

PNG_SCALE = 2.0


class Drawn(Protocol):
    def to_svg(self, *, theme: str = "auto") -> str: ...

    def to_html(self) -> str: ...


def save(drawn: Drawn, path: str | Path) -> None:
    """Write `drawn` as .svg, .html, .png or .txt; what cannot be drawn leaves no file."""
    path = Path(path)
    kind = path.suffix.lower()
    if kind == ".svg":
        content = drawn.to_svg().encode()
    elif kind in (".html", ".htm"):
        content = drawn.to_html().encode()
    elif kind == ".txt":
        content = f"{drawn}\n".encode()
    elif kind == ".png":
        content = png(drawn.to_svg(theme="light"))
    else:
        raise ValueError(f"the file name must end in .svg, .html, .png or .txt, got {path.name!r}")
    path.write_bytes(content)


def png(svg: str) -> bytes:
    """An SVG picture as PNG, drawn by resvg."""
    try:
        import resvg_py
    except ImportError:
        raise ImportError(
            "PNG pictures need resvg-py: pip install 'pyconv-kernels[plot]' (.svg and .html need nothing)"
        ) from None
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=PNG_SCALE))
