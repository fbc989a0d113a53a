#include "problem/window.h"

#include "core/check.h"
#include "problem/problem_text.h"

namespace pyconv {
namespace {

// A signal has a length, an image height and width.
const char* axis_name(int rank, int dim) {
  if (dim == kD) return "depth";
  if (dim == kH) return "height";
  return rank == 1 ? "length" : "width";
}

}  // namespace

void check_window(const Window& w, int dim) {
  const char* name = dim_name(dim);
  check_value(w.in >= 0, "input size must not be negative, got ", w.in, " in dimension ", name);
  check_value(w.kernel >= 1, "kernel size must be at least 1, got ", w.kernel, " in dimension ", name);
  check_value(w.stride >= 1, "stride must be at least 1, got ", w.stride, " in dimension ", name);
  check_value(w.dilation >= 1, "dilation must be at least 1, got ", w.dilation, " in dimension ", name);
  check_value(w.pad_begin >= 0 && w.pad_end >= 0, "padding must not be negative, got (", w.pad_begin, ", ",
              w.pad_end, ") in dimension ", name);
  checked_add(checked_add(w.in, w.pad_begin, "padded input size"), w.pad_end, "padded input size");
  checked_add(checked_mul(w.dilation, w.kernel - 1, "kernel extent"), 1, "kernel extent");
}

Index checked_positions(const Window& window, int rank, int dim) {
  const Index positions = window.positions();
  if (positions < 1)
    throw ValueError("the kernel must fit into the padded input:\n" +
                     size_rule(window, axis_name(rank, dim)));
  return positions;
}

std::string size_rule(const Window& w, const std::string& name) {
  const std::string margin(name.empty() ? 0 : max_of(static_cast<Index>(name.size()) + 1, 7), ' ');
  const char* round = w.ceil_mode ? "ceil" : "floor";
  std::string text = name.empty() ? "" : (name + margin).substr(0, margin.size()) + "= ";
  text += concat(round, "((input + padding - dilation * (kernel - 1) - 1) / stride) + 1\n", margin, "= ",
                 round, "((", w.in, " + ", w.pad_begin, " + ", w.pad_end, " - ", w.dilation, " * (", w.kernel,
                 " - 1) - 1) / ", w.stride, ") + 1\n", margin);
  const Index steps = w.padded() - w.extent(), positions = w.positions();
  if (positions < 1)
    return text + concat(steps, " is below 0: the kernel spans ", w.extent(),
                         " elements, the padded input has ", w.padded());
  const Index counted = w.ceil_mode ? -floor_div(-steps, w.stride) + 1 : positions;
  text += concat("= ", round, "(", steps, " / ", w.stride, ") + 1 = ", counted);
  if (counted != positions)
    text += concat("\n", margin, "- 1 = ", positions,
                   ", because the last window would start in the padding at the end");
  return text;
}

}  // namespace pyconv
