"""Drawing primitives that become SVG: rectangles, numbers, lines, arrows, and the two colour themes.

Colours are Okabe and Ito's, which stay apart for colour-blind readers; no meaning rests on colour
alone. Light colours are plain attributes, so that any renderer shows them, dark ones a style sheet.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

THEMES = ("auto", "light", "dark")

# role: ((light fill, dark fill), (light stroke, dark stroke), stroke width, dashes)
_BOXES: dict[str, tuple[tuple[str, str], tuple[str, str], float, str]] = {
    "page": (("#ffffff", "#14181d"), ("none", "none"), 0, ""),
    "plain": (("#ffffff", "#1d232a"), ("#c3c9d0", "#48525d"), 1, ""),
    "padding": (("#e6e8eb", "#30373f"), ("#9aa3ad", "#66717d"), 1, "3 2"),
    "used": (("#ffe2a8", "#5f4708"), ("#d98f00", "#e69f00"), 1.2, ""),
    "used-padding": (("#ece0c8", "#453d2a"), ("#d98f00", "#e69f00"), 1.2, "3 2"),
    "winner": (("#ffc14d", "#8a6500"), ("#8f5f00", "#ffd27a"), 3, ""),
    "weight": (("#d5e9f8", "#0f3a58"), ("#0072b2", "#56b4e9"), 1, ""),
    "weight-idle": (("#f2f4f6", "#20262d"), ("#9aa3ad", "#66717d"), 1, "3 2"),
    "product": (("#f7e3ee", "#4d2a3f"), ("#b0568a", "#cc79a7"), 1, ""),
    "sum": (("#f7e3ee", "#4d2a3f"), ("#b0568a", "#cc79a7"), 1.6, ""),
    "bias": (("#ffffff", "#1d232a"), ("#59636e", "#aab4bf"), 1.2, ""),
    "output": (("#c9efe1", "#0b4d3a"), ("#00805c", "#1fc495"), 2.6, ""),
    "lost": (("#fbdccb", "#5a2a12"), ("#d55e00", "#f0793a"), 1.4, "4 2"),
}
# role: (light colour, dark colour, size, weight, family)
_SANS = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
_MONO = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
_TEXTS: dict[str, tuple[str, str, float, str, str]] = {
    "title": ("#15191d", "#f1f4f7", 17, "600", _SANS),
    "subtitle": ("#4a545e", "#b3bdc8", 12.5, "400", _SANS),
    "head": ("#15191d", "#f1f4f7", 13, "600", _SANS),
    "note": ("#4a545e", "#b3bdc8", 12, "400", _SANS),
    "index": ("#5b6570", "#95a0ab", 10, "400", _MONO),
    "word": ("#15191d", "#f1f4f7", 12, "400", _SANS),
    "sign": ("#15191d", "#f1f4f7", 20, "400", _SANS),
    "number": ("#15191d", "#f1f4f7", 12, "400", _MONO),
    "faint": ("#4f5963", "#b9c3cd", 12, "400", _MONO),
    "strong": ("#15191d", "#f1f4f7", 13, "700", _MONO),
}
_LINE = ("#59636e", "#aab4bf")
_WINDOW = ("#8f5f00", "#ffb52e")
_FLOW = ("#00805c", "#1fc495")
_LINES = {"line": _LINE, "window": _WINDOW, "flow": _FLOW}

DIGIT = 7.25  # advance of one character of "number", in pixels


def text_width(text: str, role: str = "number") -> float:
    """A generous estimate of how wide `text` becomes."""
    _, _, size, weight, family = _TEXTS[role]
    per_character = 0.605 if family is _MONO else 0.56 if weight == "400" else 0.6
    return len(text) * size * per_character


class Canvas:
    """Collects shapes, then writes them as one SVG document just large enough."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.right = 0.0
        self.bottom = 0.0
        self._used: set[str] = set()

    def _reach(self, x: float, y: float) -> None:
        self.right = max(self.right, x)
        self.bottom = max(self.bottom, y)

    def box(self, x: float, y: float, width: float, height: float, role: str, *, radius: float = 3) -> None:
        (fill, _), (stroke, _), line, dashes = _BOXES[role]
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.parts.append(
            f'<rect class="pyx-{role}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" '
            f'rx="{_n(radius)}" fill="{fill}" stroke="{stroke}" stroke-width="{_n(line)}"{dash}/>'
        )
        self._used.add(role)
        self._reach(x + width + line, y + height + line)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        role: str,
        *,
        anchor: str = "start",
        data: dict[str, str] | None = None,
    ) -> None:
        """`text` with its baseline at `y`; `data` become data-* attributes that programs read back."""
        color, _, size, weight, family = _TEXTS[role]
        extra = "".join(f" data-{key}={quoteattr(value)}" for key, value in (data or {}).items())
        bold = f' font-weight="{weight}"' if weight != "400" else ""
        font = f" font-family={quoteattr(family)}" if family is not _MONO else ""
        self.parts.append(
            f'<text class="pyx-t-{role}" x="{_n(x)}" y="{_n(y)}" fill="{color}" font-size="{_n(size)}"'
            f'{bold}{font} text-anchor="{anchor}"{extra}>{escape(text)}</text>'
        )
        self._used.add(f"t-{role}")
        width = text_width(text, role)
        self._reach(x + {"start": width, "middle": width / 2, "end": 0.0}[anchor], y + size * 0.3)

    def line(self, points: Iterable[tuple[float, float]], role: str = "line", *, width: float = 1.4) -> None:
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        self.parts.append(
            f'<polyline class="pyx-l-{role}" points="{path}" fill="none" stroke="{_LINES[role][0]}" '
            f'stroke-width="{_n(width)}" stroke-linejoin="round"/>'
        )
        self._used.add(f"l-{role}")

    def arrow(self, points: list[tuple[float, float]], role: str = "line", *, width: float = 1.6) -> None:
        """A line through `points` with a head at the last one; segments are horizontal or vertical."""
        (x0, y0), (x1, y1) = points[-2:]
        length = max(abs(x1 - x0) + abs(y1 - y0), 1e-9)
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        back = (x1 - 8 * dx, y1 - 8 * dy)
        self.line([*points[:-1], back], role, width=width)
        head = [(x1, y1), (back[0] - 4.5 * dy, back[1] + 4.5 * dx), (back[0] + 4.5 * dy, back[1] - 4.5 * dx)]
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in head)
        self.parts.append(f'<polygon class="pyx-h-{role}" points="{path}" fill="{_LINES[role][0]}"/>')
        self._used.add(f"h-{role}")

    def frame(self, x: float, y: float, width: float, height: float, role: str = "window") -> None:
        """A heavy outline around several cells."""
        self.parts.append(
            f'<rect class="pyx-l-{role}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" '
            f'rx="4" fill="none" stroke="{_LINES[role][0]}" stroke-width="3"/>'
        )
        self._used.add(f"l-{role}")
        self._reach(x + width + 2, y + height + 2)

    def group(self, name: str, data: dict[str, str] | None = None) -> None:
        """Open a group that programs find by `name`; close it with `end`."""
        extra = "".join(f" data-{key}={quoteattr(value)}" for key, value in (data or {}).items())
        self.parts.append(f'<g class="pyx-g-{name}"{extra}>')

    def end(self) -> None:
        self.parts.append("</g>")

    def svg(self, title: str, description: str, theme: str = "auto", margin: float = 16) -> str:
        """The document; `title` and `description` are what a screen reader says."""
        if theme not in THEMES:
            raise ValueError(f"theme must be one of {', '.join(THEMES)}, got {theme!r}")
        width, height = self.right + margin, self.bottom + margin
        style = f"<style>{self._style(theme)}</style>" if theme != "light" else ""
        self._used.add("page")
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="pyx" role="img" font-family={quoteattr(_MONO)} '
            f'width="{_n(width)}" '
            f'height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}">'
            f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
            f'{style}<rect class="pyx-page" width="100%" height="100%" fill="{_BOXES["page"][0][0]}"/>'
            f"{''.join(self.parts)}</svg>"
        )

    def _style(self, theme: str) -> str:
        """Dark colours of what was drawn, for dark systems only with "auto"."""
        rules = [f".pyx .pyx-page{{fill:{_BOXES['page'][0][1]}}}"]
        for name in sorted(self._used):
            if name in _BOXES:
                (_, fill), (_, stroke), _, _ = _BOXES[name]
                rules.append(f".pyx .pyx-{name}{{fill:{fill};stroke:{stroke}}}")
            elif name.startswith("t-"):
                rules.append(f".pyx .pyx-{name}{{fill:{_TEXTS[name[2:]][1]}}}")
            else:
                paint = "stroke" if name.startswith("l-") else "fill"
                rules.append(f".pyx .pyx-{name}{{{paint}:{_LINES[name[2:]][1]}}}")
        text = "".join(rules)
        return text if theme == "dark" else f"@media (prefers-color-scheme:dark){{{text}}}"


def _n(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")
