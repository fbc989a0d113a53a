// One dimension of a sliding window: the size rule and the checks that convolution and pooling share.
#pragma once

#include <string>

#include "core/math.h"
#include "core/types.h"

namespace pyconv {

struct Window {
  Index in, pad_begin, pad_end, kernel, stride, dilation;
  bool ceil_mode = false;

  Index padded() const { return in + pad_begin + pad_end; }
  Index extent() const { return window_extent(kernel, dilation); }
  // How many windows there are: the output's size. Below 1 where not even one fits.
  Index positions() const {
    return ceil_mode ? ceil_output_size(padded(), extent(), stride, in + pad_begin)
                     : output_size(padded(), extent(), stride);
  }
};

// Throws ValueError unless each number is in its range and no sum of them overflows. `dim` is named in the
// message.
void check_window(const Window& window, int dim);

// window.positions(), at least 1: throws ValueError with the size rule if there is none.
Index checked_positions(const Window& window, int rank, int dim);

// The size rule with the window's numbers, one step a line, after "name = " unless `name` is empty: what
// error messages and pyconv.explain_shape show. The window has passed check_window.
std::string size_rule(const Window& window, const std::string& name = "");

}  // namespace pyconv
