"""The harness against a clock that only the contestants can move: what it reports is known exactly."""

import numpy as np
import pytest

from pyconv.bench import stats
from pyconv.bench.harness import Method, cold_samples, interleave, wait_until_quiet


class FakeClock:
    """Time passes only inside calls; `drift` makes each second later in the run that much longer."""

    def __init__(self, drift=0.0):
        self.now, self.drift, self.log = 0.0, drift, []

    def __call__(self):
        return self.now

    def contestant(self, name, seconds):
        def call():
            self.log.append(name)
            self.now += seconds * (1 + self.drift * self.now)

        return call


def seconds_of(timing):
    return np.concatenate(timing.blocks)


def test_samples_are_seconds_per_call_of_blocks_of_a_quarter_millisecond():
    clock = FakeClock()
    calls = {"fast": clock.contestant("fast", 2e-5), "slow": clock.contestant("slow", 3e-3)}
    timings = interleave(calls, Method(), clock, clock)
    assert timings["fast"].calls_per_sample == 13
    assert timings["slow"].calls_per_sample == 1
    for name, seconds in (("fast", 2e-5), ("slow", 3e-3)):
        assert len(seconds_of(timings[name])) == 240
        np.testing.assert_allclose(seconds_of(timings[name]), seconds, rtol=1e-9)
        assert timings[name].cpu_per_wall == pytest.approx(1.0)


def test_two_contestants_alternate_as_abba_or_baab():
    clock = FakeClock()
    calls = {name: clock.contestant(name, 1e-3) for name in "AB"}
    interleave(calls, Method(samples=8), clock, clock)
    visits = "".join(clock.log[-8 * 2 * 2 :])[::2]  # each visit: one untimed and one timed call
    rounds = [visits[i : i + 4] for i in range(0, len(visits), 4)]
    assert set(rounds) <= {"ABBA", "BAAB"}
    assert len(rounds) == 4


def test_every_block_begins_with_an_untimed_call():
    """A contestant that is slow only right after another one is measured at its own speed."""
    clock = FakeClock()

    def disturbed(name):
        plain = clock.contestant(name, 1e-3)

        def call():
            if clock.log and clock.log[-1] != name:
                clock.now += 5e-3
            plain()

        return call

    timings = interleave({name: disturbed(name) for name in "ABC"}, Method(samples=10), clock, clock)
    for timing in timings.values():
        np.testing.assert_allclose(seconds_of(timing), 1e-3, rtol=1e-9)


def test_a_drifting_machine_leaves_the_ratio_alone():
    clock = FakeClock(drift=0.5)
    calls = {name: clock.contestant(name, 1e-3 * (1 + (name == "B"))) for name in "AB"}
    timings = interleave(calls, Method(), clock, clock)
    assert seconds_of(timings["A"]).max() > 1.1 * seconds_of(timings["A"]).min()
    ratio = stats.speedup(timings["A"].blocks, timings["B"].blocks)
    assert ratio.value == pytest.approx(2.0, rel=0.01)
    assert ratio.low <= ratio.value <= ratio.high


def test_slow_contestants_get_fewer_samples_spread_over_all_rounds():
    clock = FakeClock()
    method = Method(samples=60, min_samples=10, case_seconds=4.0)
    # Each timed call has an untimed one before it; from 50 ms on only a new placement has.
    for seconds, samples in ((0.04, 50), (0.1, 26), (3.0, 10)):
        timings = interleave({"A": clock.contestant("A", seconds)}, method, clock, clock)
        assert len(seconds_of(timings["A"])) == samples
    clock.log.clear()
    calls = {"fast": clock.contestant("fast", 1e-3), "slow": clock.contestant("slow", 0.1)}
    timings = interleave(calls, Method(samples=60, min_samples=4, case_seconds=1.2), clock, clock)
    assert [len(seconds_of(timings[name])) for name in calls] == [60, 4]
    visits = [index for index, name in enumerate(clock.log) if name == "slow"][-4::2]
    np.testing.assert_allclose(np.diff(visits), len(clock.log) / 2, rtol=0.15)


def test_settling_goes_on_for_the_asked_time():
    clock = FakeClock()
    method = Method(samples=2, settle_seconds=0.01)
    interleave({"A": clock.contestant("A", 1e-3)}, method, clock, clock)
    assert clock.log[-22:] == ["A"] * 22  # two visits of about ten untimed calls and one timed call
    assert clock.now >= 0.02


def test_cold_samples_evict_before_each_call():
    clock = FakeClock()
    seconds = cold_samples(clock.contestant("A", 2e-3), clock.contestant("evict", 1.0), 3, clock)
    assert clock.log == ["evict", "A"] * 3
    np.testing.assert_allclose(seconds, 2e-3, rtol=1e-9)


def test_a_figure_is_over_placements_and_everyone_is_moved_alike():
    """A call whose speed depends on where its arrays lie gets the mean of its placements, not the best."""
    clock, moves = FakeClock(), []

    def replace(index, names):
        moves.append((index, sorted(names)))
        return {name: clock.contestant(name, 1e-3 * (1 + index % 2 * (name == "B"))) for name in "AB"}

    calls = {name: clock.contestant(name, 1e-3) for name in "AB"}
    timings = interleave(calls, Method(samples=16, placements=4), clock, clock, replace)
    assert moves == [(index, ["A", "B"]) for index in (1, 2, 3)]
    for name, expected in (("A", [1e-3] * 4), ("B", [1e-3, 2e-3] * 2)):
        assert [len(block) for block in timings[name].blocks] == [4] * 4
        np.testing.assert_allclose([block[0] for block in timings[name].blocks], expected)
    ratio = stats.speedup(timings["A"].blocks, timings["B"].blocks)
    assert ratio.value == pytest.approx(2**0.5)
    assert ratio.low == pytest.approx(1.0)  # the interval knows that other placements could have been drawn
    assert ratio.high == pytest.approx(2.0)
    assert stats.figure(timings["B"].blocks) == pytest.approx(1.5e-3)


def test_a_ratio_is_paired_and_takes_the_middle_half():
    """A burst that slows one placement of both sides, or of one side alone, leaves the ratio where it is."""
    quiet = [np.full(4, 1e-3)] * 8
    burst = [9 * quiet[0], *quiet[1:]]
    assert stats.speedup(burst, [2 * block for block in burst]).value == pytest.approx(2)
    assert stats.speedup(quiet, [2 * block for block in burst]).value == pytest.approx(2)
    assert stats.speedup(quiet, [2 * block for block in burst[:3]]).value == pytest.approx(2 * 9 ** (1 / 3))


def test_a_slow_contestant_is_moved_only_where_it_takes_part():
    clock, moved = FakeClock(), []
    calls = {"fast": clock.contestant("fast", 1e-3), "slow": clock.contestant("slow", 0.2)}

    def replace(index, names):
        moved.append(set(names))
        return calls

    method = Method(samples=80, placements=8, min_samples=4, case_seconds=1.0)
    timings = interleave(calls, method, clock, clock, replace)
    assert [len(block) for block in timings["fast"].blocks] == [10] * 8
    assert [len(block) for block in timings["slow"].blocks] == [2, 2]
    assert [("slow" in names) for names in moved] == [False, False, True, False, False, False, True]


def test_a_contestant_that_does_not_come_back_is_out():
    clock = FakeClock()
    calls = {name: clock.contestant(name, 1e-3) for name in "AB"}
    timings = interleave(
        calls, Method(samples=8, placements=2), clock, clock, lambda index, names: {"A": calls["A"]}
    )
    assert [len(timings[name].blocks) for name in "AB"] == [2, 1]


def test_the_interval_widens_with_noise():
    rng = np.random.default_rng(1)
    quiet, noisy = [1 + 0.001 * rng.random(60)], [1 + 0.3 * rng.random(60)]
    still, wide = stats.speedup(quiet, [quiet[0][::-1].copy()]), stats.speedup(quiet, noisy)
    assert still.high - still.low < 0.002 < wide.high - wide.low
    assert stats.speedup(quiet, [quiet[0][:7]]).value == pytest.approx(1, rel=0.001)
    with pytest.raises(ValueError, match=r"need samples; got \[60\] and \[\]"):
        stats.speedup(quiet, [])


def test_geometric_mean():
    assert stats.geometric_mean([1.0, 4.0]) == pytest.approx(2.0)
    with pytest.raises(ValueError, match="no values"):
        stats.geometric_mean([])


def test_waiting_ends_when_nothing_spins_and_gives_up_on_what_never_stops():
    clock = FakeClock()
    busy = iter([0.01, 0.01, 0.01, 0.0])

    def sleep(seconds):
        clock.now += seconds
        clock.cpu = getattr(clock, "cpu", 0.0) + next(busy, 0.01)

    assert wait_until_quiet(1.0, clock, lambda: getattr(clock, "cpu", 0.0), sleep)
    assert clock.now == pytest.approx(0.04)
    assert not wait_until_quiet(1.0, clock, lambda: getattr(clock, "cpu", 0.0), sleep)
    assert clock.now == pytest.approx(1.05, abs=0.011)


def test_what_is_slow_only_after_it_was_moved_is_not_timed():
    clock, cold = FakeClock(), {"calls": 0}

    def call():
        cold["calls"] -= 1
        clock.now += 2e-5 if cold["calls"] < 0 else 1e-4

    def replace(index, names):
        cold["calls"] = 4
        return {"A": call}

    timings = interleave({"A": call}, Method(samples=16, placements=4), clock, clock, replace)
    np.testing.assert_allclose(seconds_of(timings["A"]), 2e-5, rtol=1e-9)


def test_few_rounds_are_not_cut_into_placements_of_one_round():
    clock = FakeClock()
    call = {"A": clock.contestant("A", 1e-3)}
    timings = interleave(call, Method(samples=14, placements=24), clock, clock, lambda index, names: call)
    assert [len(block) for block in timings["A"].blocks] == [4, 4, 6]
