"""Hypothesis problems: integers, so that equality is exact; and random numbers within the bound."""

import numpy as np
import oracle
from cases import ISAS, LAYOUTS, check, run, takers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyconv.testing import assert_conv_close
from pyconv.testing.strategies import conv_cases

# A fixed seed keeps CI repeatable; another one is a matter of --hypothesis-seed.
FUZZ = settings(
    deadline=None,
    derandomize=True,
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
ways = st.fixed_dictionaries(
    {
        "isa": st.sampled_from(ISAS),
        "layout": st.sampled_from(LAYOUTS),
    }
)
dtypes = st.sampled_from([np.float32, np.float64])


@FUZZ
@given(conv_cases(), ways, dtypes, st.integers(0, 99))
def test_exact(case, way, dtype, seed):
    arguments = case.arguments("exact", dtype, seed)
    expected = oracle.conv(**arguments)
    assert expected.shape == case.out_shape
    for algorithm in takers(case):
        check(run(arguments, algorithm=algorithm, **way), expected, arguments, algorithm)


@FUZZ
@given(conv_cases(largest_channels=300, largest_kernel=3, largest_size=6), ways, dtypes)
def test_within_the_bound(case, way, dtype):
    arguments = case.arguments("dense", dtype)
    expected = oracle.conv(**arguments)
    for algorithm in takers(case):
        result = run(arguments, algorithm=algorithm, **way)
        assert_conv_close(result, expected, **arguments, algorithm=algorithm)
