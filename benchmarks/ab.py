"""Two builds of pyconv against each other: python -P benchmarks/ab.py OLD NEW PROBLEM...

    git worktree add /tmp/old main && pip install --no-deps --target /tmp/old-build /tmp/old
    pip install --no-deps --target /tmp/new-build .
    python -P benchmarks/ab.py /tmp/old-build /tmp/new-build n1c64h56w56_k64r3s3p1 n8c256h28w28_avgr2s2u2

OLD and NEW are folders that hold a `pyconv` package; either may end in :NAME=VALUE,... for variables of its
environment, so that one build can race itself under another setting. Two compiled modules do not fit into one
process, so each build has processes of its own, which take turns (ABBA) on every placement of the arrays in
memory (pyconv/bench/placement.py): two processes each, as where code and pages lie is part of the weather.

Printed are the median times of a call and OLD's time / NEW's, the median over placements of the ratio of the
fastest blocks, with the quartiles: above 1, NEW is faster.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from pyconv.bench import placement
from pyconv.bench.data import TOLERANCE, make_data, make_truth
from pyconv.bench.harness import cache_evictor
from pyconv.bench.problem_string import parse_case
from pyconv.bench.progress import progress
from pyconv.bench.rivals import SUBJECTS, find
from pyconv.bench.rivals.base import CHANNELS_LAST, LAYOUTS, Setup
from pyconv.bench.run import SETTLE_SECONDS

PROCESSES, BLOCK_SECONDS = 2, 1e-3


@dataclasses.dataclass(frozen=True)
class Task:
    """What is timed; `evicted` MiB of other memory are written before each block."""

    problem: str
    rival: str
    layout: str
    threads: int
    placements: int
    blocks: int
    evicted: int


class Worker:
    """A process with one build: answers a placement's number with the fastest block's seconds per call."""

    def __init__(self, build: str, task: Task) -> None:
        folder, _, settings = build.partition(":")
        chosen = dict(setting.split("=", 1) for setting in settings.split(",") if setting)
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, "--worker", json.dumps(dataclasses.asdict(task))],
            env={**os.environ, **chosen, "PYTHONPATH": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def time(self, number: int) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit("a worker stopped; its message is above")
        return float(answer)

    def close(self) -> None:
        self._process.communicate()


def serve(task: Task) -> None:
    """A worker's loop: numbers of placements in, seconds out."""
    case, rival = parse_case(task.problem), find(task.rival)
    data = make_data(case)
    truth = make_truth(case, data)
    evict = cache_evictor(task.evicted * 2**18) if task.evicted else lambda: None
    rival.set_threads(task.threads)
    for line in sys.stdin:
        shims = placement.shims(int(line))
        setup = Setup(task.layout, task.threads, placement.offset(int(line), task.placements))
        ready = rival.prepare(case, data, setup)
        error = truth.error(ready.to_numpy(ready.call()))
        if error > TOLERANCE:
            raise SystemExit(f"{task.problem}: an error of {error:.3g} roundoffs of sum|x||w|")
        begin = time.perf_counter()
        ready.call()
        count = max(1, round(BLOCK_SECONDS / (time.perf_counter() - begin)))
        fastest = float("inf")
        for _ in range(task.blocks):
            evict()
            settle = time.perf_counter() + SETTLE_SECONDS
            ready.call()
            while task.threads > 1 and time.perf_counter() < settle:
                ready.call()
            begin = time.perf_counter()
            for _ in range(count):
                ready.call()
            fastest = min(fastest, (time.perf_counter() - begin) / count)
        print(fastest, flush=True)
        del shims


@contextlib.contextmanager
def workers(builds: list[str], task: Task) -> Iterator[list[Worker]]:
    started = [Worker(build, task) for build in builds]
    try:
        yield started
    finally:
        for worker in started:
            worker.close()


def race(builds: list[str], task: Task) -> tuple[list[float], list[float]]:
    """Seconds of both builds, a pair for each placement in each process."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(PROCESSES):
        with workers(builds, task) as pair:
            for number in range(task.placements):
                turns = (0, 1, 1, 0) if number % 2 == 0 else (1, 0, 0, 1)
                visits = [(side, pair[side].time(number)) for side in turns]
                for side in (0, 1):
                    times[side].append(min(seconds for of, seconds in visits if of == side))
    return times


def report(task: Task, old: list[float], new: list[float]) -> str:
    ratios = [before / after for before, after in zip(old, new, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    micros = [statistics.median(side) * 1e6 for side in (old, new)]
    return (
        f"{task.problem:44} {task.layout} {task.threads} {task.rival.removeprefix('pyconv-'):8} "
        f"{micros[0]:9.2f} {micros[1]:9.2f} us  {middle:.3f} [{low:.3f}, {high:.3f}]"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="OLD NEW PROBLEM", help="folders, then problem strings")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rival", default="pyconv-layer", choices=SUBJECTS, help="poolings: pyconv-function")
    parser.add_argument("--layout", default=CHANNELS_LAST, choices=LAYOUTS, help=f"default {CHANNELS_LAST}")
    parser.add_argument("--placements", type=int, default=10)
    parser.add_argument("--blocks", type=int, default=4, help="for each placement and visit")
    parser.add_argument("--evict", type=int, default=0, metavar="MIB", help="written before each block")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_intermixed_args()
    if args.worker:
        return serve(Task(**json.loads(args.worker)))
    if len(args.what) < 3:
        parser.error("needs OLD, NEW and a problem")
    old, new, *problems = args.what
    with progress(len(problems), "ab") as step:
        for problem in problems:
            step(problem)
            rival = args.rival if parse_case(problem).is_conv else "pyconv-function"
            task = Task(problem, rival, args.layout, args.threads, args.placements, args.blocks, args.evict)
            print(report(task, *race([old, new], task)), flush=True)
    return None


if __name__ == "__main__":
    main()
