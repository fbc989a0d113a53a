"""Settings that all tests share."""

from hypothesis import settings

# A time limit for one example would fail for what else the machine does.
settings.register_profile("pyconv", deadline=None)
settings.load_profile("pyconv")
