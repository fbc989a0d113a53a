// Threads, instruction sets, options and the machine's measured limits.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <chrono>
#include <vector>

#include "bindings/args.h"
#include "bindings/bind.h"
#include "core/check.h"
#include "engine/tables.h"
#include "runtime/cpu.h"
#include "runtime/thread_pool.h"

namespace pyconv {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The best rate of repeated calls of `work` (which returns operations done) within `seconds`.
template <class Work>
double best_rate(double seconds, Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  double best = 0;
  do {
    const auto begin = std::chrono::steady_clock::now();
    const double done = work();
    best = std::max(best, done / seconds_since(begin));
  } while (seconds_since(start) < seconds);
  return best;
}

// GFLOP/s of one core: the kernels' own multiply-add, from registers.
double fma_peak(const std::string& isa, const std::string& dtype, double seconds) {
  check_value(dtype == "float32" || dtype == "float64", "dtype must be 'float32' or 'float64', got '", dtype,
              "'");
  const PeakKernels& peak = kernel_table(isa).peak;
  const auto loop = dtype == "float32" ? peak.fma_f32 : peak.fma_f64;
  constexpr Index kIterations = 20000;  // about a millisecond
  const py::gil_scoped_release release;
  return best_rate(seconds, [&] { return loop(kIterations); }) * 1e-9;
}

// GB/s one core reads from a buffer far larger than the last-level cache.
double read_bandwidth(double seconds) {
  const PeakKernels& peak = kernel_table("").peak;
  const py::gil_scoped_release release;
  const std::size_t bytes = std::max<std::size_t>(std::size_t{256} << 20, 4 * cache_sizes().l3);
  const std::vector<char> buffer(bytes, 1);
  double sink = 0;
  const double rate =
      best_rate(seconds, [&] { return peak.read(buffer.data(), static_cast<Index>(bytes), &sink); });
  volatile double keep = sink;
  (void)keep;
  return rate * 1e-9;
}

Options make_options(int num_threads, const std::string& isa, const std::string& algorithm,
                     const std::string& precision) {
  Options options;
  check_value(num_threads >= 0, "num_threads must be at least 1, got ", num_threads);
  options.num_threads = num_threads;
  if (!isa.empty()) options.table = &kernel_table(isa);
  options.algorithm = algorithm;
  options.precision = precision_from_name(precision);
  return options;
}

py::dict cpu_info() {
  py::dict info;
  const CacheSizes caches = cache_sizes();
  info["model"] = cpu_model_name();
  info["cpus"] = available_cpus();
  info["l1d"] = caches.l1d;
  info["l2"] = caches.l2;
  info["l3"] = caches.l3;
  return info;
}

}  // namespace

void register_runtime(py::module_& m) {
  py::class_<Options>(m, "Options")
      .def(py::init(&make_options), py::arg("num_threads"), py::arg("isa"), py::arg("algorithm"),
           py::arg("precision"));
  m.def("get_num_threads", &get_num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("threads"));
  m.def("default_num_threads", &default_num_threads);
  m.def("available_isas", [] {
    std::vector<std::string> names;
    for (const KernelTable* table : available_tables()) names.emplace_back(table->name);
    return names;
  });
  m.def("default_isa", [] { return std::string(kernel_table("").name); });
  m.def("cpu_info", &cpu_info);
  m.def("fma_peak", &fma_peak, py::arg("isa"), py::arg("dtype"), py::arg("seconds"));
  m.def("read_bandwidth", &read_bandwidth, py::arg("seconds"));
}

}  // namespace pyconv
