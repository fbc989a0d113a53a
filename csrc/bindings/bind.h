// One registrar per concept; module.cpp lists them.
#pragma once

#include <pybind11/pybind11.h>

namespace pyconv {
void register_runtime(pybind11::module_& m);
void register_conv(pybind11::module_& m);
void register_pool(pybind11::module_& m);
}  // namespace pyconv
