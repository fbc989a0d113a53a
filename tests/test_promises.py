"""Promises 2, 3 and 7: no warm-up, bounded workspace, a good citizen. What needs its own process gets one."""

import ctypes
import os
import platform
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import oracle
import pytest
import torch
from cases import BIG_CASES, FEW_CASES, ISAS, ConvCase, run, same_bits, takers

import pyconv

MAX_SCRATCH = 16 << 20
LINUX = sys.platform == "linux"


def script(text, **environment):
    """Run `text` in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(text)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- promise 2 ---


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_resident_memory_is_flat_over_10000_shapes():
    grown = script(
        """
        import numpy as np, pyconv

        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * 4096

        rng = np.random.default_rng(0)
        data, taps = rng.random(1 << 16, np.float32), rng.random(1 << 16, np.float32)
        pyconv.set_num_threads(2)

        def call(i):
            k, size, in_ch, out_ch = 1 + i % 3, 4 + i % 23, 1 + i % 13, 1 + i % 37
            x = data[: in_ch * size * (size + i % 5)].reshape(1, in_ch, size, -1)
            algorithm = ("auto", "direct", "im2col")[i % 3]
            w = taps[: out_ch * in_ch * k * k].reshape(out_ch, in_ch, k, k)
            pyconv.conv2d(x, w, stride=1 + i % 2, padding=i % 2, algorithm=algorithm)

        for i in range(1000):
            call(i)
        before = resident()
        for i in range(1000, 11000):
            call(i)
        print(resident() - before)
        """
    )
    assert int(grown) < 8 << 20


# --- promise 3 ---


@pytest.mark.parametrize(
    "text",
    [
        "n1c64h56w56_k64r3s3p1",
        "n1c3h10w1000000_k8r3s3p1",
        "n1c512h7w7_k512r3s3p1",
        "n1c2048h30w5000_k2048r1s1",
        "n1c64w10000000_k64s9p4",
        "n1c16d100h100w5000_k16t3r3s3p1",
        "n1c4096h40w40_k64r5s5_f64",
        "n1c3h3000w3000_k4r31s31p15",
        "n1c256h64w2000_k8r3s3p300l100",
        "n8c32h512w512_k32r3s3p1g32",
        "n1c1w100000_k1s40000",
        "n1c30000h1w300_k2r1s1p0x1",
        "n1c4096h60w60_k1r3s3p1_f64",
        "n1c16000h3w900_k1r3s3p1",
        "n2c2000h8w8_k512r8s8",
        "n8c384d8h4w4_k100t3r3s3u2",
        "n1c9000h9w9_k700r3s3u2l2",
    ],
)
def test_scratch_of_a_thread_is_bounded_whatever_the_image(text):
    for isa in ISAS:
        for threads in (1, 4):
            for data_format in ("channels_first", "channels_last"):
                with pyconv.options(isa=isa, num_threads=threads):
                    plan = pyconv.plan(text, data_format=data_format)
                    for candidate in plan.candidates:
                        if not candidate.refusal:
                            forced = pyconv.plan(text, data_format=data_format, algorithm=candidate.algorithm)
                            assert forced.scratch_bytes_per_thread <= MAX_SCRATCH
                assert plan.algorithm != "naive"


def test_a_streamed_output_stays_within_the_scratch_of_a_thread():
    """The padded row of a tile leaves 76 KB of the limit; all channels of a tile of output would take 229."""
    x = np.moveaxis(np.empty((1, 2_107_500, 2), np.float32), -1, 1)
    w = np.empty((4096, 2, 2), np.float32)
    for dilation in (1000, 2_087_500):
        plan = pyconv.plan(x, w, padding=1, dilation=dilation, padding_mode="reflect", algorithm="direct")
        assert plan.scratch_bytes_per_thread <= MAX_SCRATCH


@pytest.mark.skipif(not LINUX, reason="ru_maxrss counts kilobytes on Linux")
def test_peak_memory_is_that_of_the_arrays():
    """A full im2col matrix of this layer would take 200 MB, a padded copy of the input 27 MB."""
    peak = script(
        """
        import resource
        import numpy as np, pyconv

        x = np.ones((1, 16, 4, 100_000), np.float32)
        w = np.ones((2, 16, 3, 3), np.float32)
        out = np.ones((1, 2, 4, 100_000), np.float32)
        for algorithm in ("direct", "im2col"):
            pyconv.conv2d(x[..., :50], w, algorithm=algorithm)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pyconv.options(num_threads=1):
            for algorithm in ("direct", "im2col"):
                pyconv.conv2d(x, w, padding=1, out=out, algorithm=algorithm)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
        """
    )
    assert int(peak) < MAX_SCRATCH + (2 << 20)


# --- promise 7 ---


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_computes():
    """Forked after the parent's threads have started, the child uses threads of its own."""
    assert (
        script(
            """
            import os, warnings
            import numpy as np, pyconv

            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of fork with threads
            x = np.random.default_rng(0).random((1, 32, 64, 64), np.float32)
            w = np.random.default_rng(1).random((32, 32, 3, 3), np.float32)
            pyconv.set_num_threads(4)
            expected = pyconv.conv2d(x, w)
            for _ in range(3):
                pid = os.fork()
                if pid == 0:
                    right = all(np.array_equal(pyconv.conv2d(x, w), expected) for _ in range(20))
                    os._exit(0 if right else 1)
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
                assert np.array_equal(pyconv.conv2d(x, w), expected)
            print("good")
            """
        )
        == "good"
    )


def test_eight_python_threads_at_once():
    """Each its own problem, all with threads of their own, sharing one layer: everybody gets their answer."""
    jobs = [case.arguments("dense", rng=seed) for seed, case in enumerate(FEW_CASES[:3] + BIG_CASES[:5])]
    expected = [run(arguments) for arguments in jobs]
    layer = pyconv.nn.Conv2d(3, 32, 3, rng=0)
    image = np.random.default_rng(0).standard_normal((1, 3, 40, 40), np.float32)
    from_layer = layer(image)
    start = threading.Barrier(8)

    def work(number):
        start.wait()
        for repeat in range(20):
            threads = 1 + (number + repeat) % 4
            assert same_bits(run(jobs[number], num_threads=threads), expected[number])
            assert same_bits(layer(image), from_layer)
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_eight_threads_pack_one_new_layer():
    image = np.random.default_rng(0).standard_normal((1, 64, 9, 9), np.float32)
    for seed in range(10):
        layer = pyconv.nn.Conv2d(64, 64, 3, rng=seed)
        expected = pyconv.conv2d(image, layer.weight, layer.bias)
        start = threading.Barrier(8)

        def call(_, layer=layer, start=start):
            start.wait()
            return layer(image)

        with ThreadPoolExecutor(8) as pool:
            assert all(same_bits(result, expected) for result in pool.map(call, range(8)))


def test_the_gil_is_released():
    """The main thread runs Python code while another one is inside a call."""
    x = np.zeros((1, 64, 128, 128), np.float32)
    w = np.zeros((64, 64, 3, 3), np.float32)
    begin = end = 0.0

    def compute():
        nonlocal begin, end
        calls = 1
        while end - begin < 0.05:  # one call that takes long enough to be seen
            begin = time.perf_counter()
            pyconv.conv2d(np.broadcast_to(x, (calls, *x.shape[1:])), w)
            end = time.perf_counter()
            calls *= 2

    with pyconv.options(num_threads=1):
        thread = threading.Thread(target=compute)
        thread.start()
        ticks = []
        while thread.is_alive():
            ticks.append(time.perf_counter())
            time.sleep(0.001)
        thread.join()
    margin = (end - begin) / 10
    assert sum(begin + margin < tick < end - margin for tick in ticks) >= 3


def flushes_subnormals():
    return float(np.float32(1e-39) * np.float32(0.5)) == 0.0


SUBNORMAL = ConvCase(in_ch=3, out_ch=5, size=(60_000,), kernel=(3,))  # enough work for threads


@pytest.mark.parametrize("algorithm", takers(SUBNORMAL))
@pytest.mark.parametrize("threads", [1, 4])
def test_flush_to_zero_of_the_caller_changes_nothing(algorithm, threads):
    # Subnormal inputs, products and sums: flushing any of them gives zeros.
    x = np.full(SUBNORMAL.input_shape, 1e-39, np.float32)
    w = np.full(SUBNORMAL.weight_shape, 0.25, np.float32)
    layer = pyconv.nn.Conv1d(3, 5, 3, bias=False)
    layer.weight = w
    expected = pyconv.conv1d(x, w, algorithm=algorithm)
    assert np.all(expected != 0)
    if not torch.set_flush_denormal(True):
        pytest.skip("this CPU has no flush-to-zero mode")
    try:
        with pyconv.options(num_threads=threads):
            assert flushes_subnormals()
            result = pyconv.conv1d(x, w, algorithm=algorithm)
            assert flushes_subnormals()
            from_layer = layer(x)
            assert flushes_subnormals()
    finally:
        torch.set_flush_denormal(False)
    assert same_bits(result, expected)
    assert same_bits(from_layer, pyconv.conv1d(x, w))


@pytest.mark.skipif(
    not (LINUX and platform.machine() == "x86_64"), reason="glibc's numbers of the modes on x86-64"
)
@pytest.mark.parametrize("mode", [0x400, 0x800, 0xC00])
def test_rounding_mode_of_the_caller_changes_nothing(mode):
    libm = ctypes.CDLL("libm.so.6")
    arguments, names = BIG_CASES[0].arguments("dense"), takers(BIG_CASES[0])
    expected = {name: run(arguments, algorithm=name) for name in names}
    results, modes = {}, []
    libm.fesetround(mode)
    try:
        for name in names:
            results[name] = run(arguments, algorithm=name, num_threads=2)
            modes.append(libm.fegetround())
    finally:
        libm.fesetround(0)
    assert modes == [mode] * len(names)
    for name in names:
        assert same_bits(results[name], expected[name])


def test_more_threads_than_processors_are_obeyed():
    arguments = BIG_CASES[0].arguments("dense")
    with pyconv.options(num_threads=64):
        assert pyconv.get_num_threads() == 64
        assert pyconv.plan(**arguments).threads == 64
        assert same_bits(run(arguments, num_threads=64), run(arguments, num_threads=1))


PRINT_THREADS = "import pyconv; print(pyconv.get_num_threads())"


def test_environment_sets_the_number_of_threads():
    assert script(PRINT_THREADS, PYCONV_NUM_THREADS="", OMP_NUM_THREADS="3") == "3"
    assert script(PRINT_THREADS, PYCONV_NUM_THREADS="5", OMP_NUM_THREADS="3") == "5"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs CPU affinity")
def test_affinity_sets_the_number_of_threads():
    pinned = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); " + PRINT_THREADS
    assert script(pinned, PYCONV_NUM_THREADS="", OMP_NUM_THREADS="") == "1"


@pytest.mark.parametrize("isa", ISAS)
def test_environment_forces_the_instruction_set(isa):
    assert script("import pyconv; print(pyconv.plan('c3h8w8_k4r3s3').isa)", PYCONV_ISA=isa) == isa


def test_an_unknown_instruction_set_in_the_environment_is_refused():
    said = script(
        """
        import pyconv
        try:
            pyconv.plan("c3h8w8_k4r3s3")
        except ValueError as error:
            print(error)
        """,
        PYCONV_ISA="sse9",
    )
    assert "PYCONV_ISA must be one of" in said
    assert "sse9" in said


def test_settings_belong_to_a_context():
    """Blocks nest and end, also by an exception; other threads do not see them."""
    outside = pyconv.get_num_threads()
    seen = []
    with pyconv.options(num_threads=3, algorithm="im2col"):
        with pyconv.options(num_threads=2):
            assert pyconv.get_num_threads() == 2
            assert pyconv.plan("c3h8w8_k4r3s3").algorithm == "im2col"
        thread = threading.Thread(target=lambda: seen.append(pyconv.get_num_threads()))
        thread.start()
        thread.join()
        assert pyconv.get_num_threads() == 3
        with pytest.raises(KeyError), pyconv.options(num_threads=7):
            raise KeyError
        assert pyconv.get_num_threads() == 3
        settings = pyconv.options(num_threads=4)
        with settings, settings:
            assert pyconv.get_num_threads() == 4
    assert pyconv.get_num_threads() == outside
    assert seen == [outside]


def test_the_oracle_agrees_with_a_sum_written_out():
    """The oracle itself, once, against the definition: one output element by hand."""
    arguments = FEW_CASES[4].arguments("dense", np.float64)
    case, x, w = FEW_CASES[4], arguments["input"], arguments["weight"]
    oc, row, col = 7, 2, 6
    first = oc // (case.out_ch // case.groups) * (case.in_ch // case.groups)
    total = sum(
        x[0, first + ic, row * 2 + r, col + 2 * s] * w[oc, ic, r, s]
        for ic in range(3)
        for r in range(4)
        for s in range(2)
    )
    assert oracle.conv(**arguments)[0, oc, row, col] == pytest.approx(total, rel=1e-14)
