// pyconv._core: private; the public API is Python. Arguments arrive positionally.
#include <pybind11/pybind11.h>

#include "bindings/bind.h"
#include "core/check.h"

PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
  pybind11::register_exception_translator([](std::exception_ptr pending) {
    try {
      if (pending) std::rethrow_exception(pending);
    } catch (const pyconv::ValueError& error) {
      PyErr_SetString(PyExc_ValueError, error.what());
    } catch (const pyconv::TypeError& error) {
      PyErr_SetString(PyExc_TypeError, error.what());
    }
  });
  pyconv::register_runtime(m);
  pyconv::register_conv(m);
  pyconv::register_pool(m);
}
