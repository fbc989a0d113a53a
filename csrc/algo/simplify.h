// Rewrites a request into an equivalent one that is easier to run fast; the result has the same bits.
#pragma once

#include "algo/algorithm.h"

namespace pyconv {

// - a dimension with a one-wide, unpadded kernel and stride s is read as every s-th element at stride 1;
// - neighbouring dimensions (the batch included) that no kernel looks across are merged into one row;
// - unit dimensions move outwards, so that the innermost one is worth a vector.
Request simplified(const Request& request);

// The same, and of a dimension in which stride and dilation have a common factor only what is read: from
// Request::input_origin on. whole_rows: columns are left as they are.
Request read_elements_only(const Request& request, bool whole_rows = false);

}  // namespace pyconv
