// How direct convolution is blocked: the orientation of its tiles, what it reads in place or copies, and the
// band of rows that stays in a cache.
#pragma once

#include "algo/dense.h"

namespace pyconv {

// Input rows and columns that a band of outputs reads. A band of one output row holds only the input rows its
// taps read; a larger one all rows between them.
Index band_row_step(const ConvProblem& p, const Blocking& b);
Index band_rows(const ConvProblem& p, Index out_rows, Index row_step);
Index band_cols(const ConvProblem& p, Index out_cols);
// Bytes of its padded copy.
double band_bytes(const ConvProblem& p, const Blocking& b);

// Whether pixel vectors ask for input between terms, too: those of pointwise layers, whose rows lie apart, so
// that no prefetcher follows their short pieces.
bool asks_for_rows(const ConvPlan& plan);

// Packed elements of one tile of output channels, where threads pack their own (0 otherwise).
Index tile_elements(const ConvPlan& plan);

ConvPlan plan_direct(const Request& request);

}  // namespace pyconv
