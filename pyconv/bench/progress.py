"""Progress with the remaining time on stderr: rich where it is installed, a plain line otherwise."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Step(Protocol):
    def __call__(self, label: str) -> None:
        """One more step is about to begin; `label` says what it is."""


@contextmanager
def progress(total: int, title: str) -> Iterator[Step]:
    if not sys.stderr.isatty():
        yield _Lines(total, title)
    elif importlib.util.find_spec("rich") is not None:
        with _rich_bar(total, title) as step:
            yield step
    else:
        plain = _Plain(total, title)
        yield plain
        plain.finish()


@contextmanager
def _rich_bar(total: int, title: str) -> Iterator[Step]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("[bold]{task.fields[title]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total, title=title)
        begun = False

        def step(label: str) -> None:
            nonlocal begun
            bar.update(task, description=label, advance=1 if begun else 0)
            begun = True

        yield step
        bar.update(task, description="done", completed=total)


class _Plain:
    """One line on a terminal, rewritten."""

    def __init__(self, total: int, title: str) -> None:
        self.total, self.title, self.done, self.start = total, title, -1, time.monotonic()

    def __call__(self, label: str) -> None:
        self.done += 1
        left = remaining_seconds(self.done, self.total, time.monotonic() - self.start)
        text = "" if left is None else f", about {left:.0f} s left"
        print(
            f"\r\x1b[K{self.title} {self.done + 1}/{self.total}{text}: {label}"[:110], end="", file=sys.stderr
        )

    def finish(self) -> None:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


class _Lines:
    """For logs: a line at most every ten seconds."""

    interval = 10.0

    def __init__(self, total: int, title: str) -> None:
        self.total, self.title, self.done = total, title, -1
        self.start = self.shown = time.monotonic()

    def __call__(self, label: str) -> None:
        self.done += 1
        now = time.monotonic()
        if self.done and now - self.shown < self.interval:
            return
        self.shown = now
        left = remaining_seconds(self.done, self.total, now - self.start)
        text = "" if left is None else f", about {left:.0f} s left"
        print(f"{self.title} {self.done + 1}/{self.total}{text}: {label}", file=sys.stderr, flush=True)


def remaining_seconds(done: int, total: int, elapsed: float) -> float | None:
    return elapsed / done * (total - done) if done else None
