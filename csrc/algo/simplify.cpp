#include "algo/simplify.h"

#include <numeric>
#include <utility>

namespace pyconv {
namespace {

bool is_pointwise(const ConvProblem& p, int dim) {
  return p.kernel[dim] == 1 && p.pad_begin[dim] == 0 && p.pad_end[dim] == 0;
}

bool is_unit(const ConvProblem& p, int dim) { return is_pointwise(p, dim) && p.in[dim] == 1; }

// One channel is both channels-first and channels-last: its input is what its output is, whatever it says.
void settle_format(Request* r) {
  if (r->problem.in_ch == 1) r->in.channel = r->out.channel == 1 ? 1 : r->problem.in.product();
}

// One pixel of all channels is both, too: images of it follow each other as pixels do.
void settle_one_pixel(Request* r) {
  if (r->problem.out.product() != 1 || r->out.channel != 1) return;
  for (int dim = 0; dim < kMaxSpatial; ++dim) r->out.spatial[dim] = r->out.batch;
}

void subsample(Request* r) {
  ConvProblem& p = r->problem;
  for (int dim = 0; dim < kMaxSpatial; ++dim) {
    if (!is_pointwise(p, dim)) continue;
    p.dilation[dim] = 1;
    if (p.stride[dim] == 1) continue;
    if (p.out[dim] > 1) r->in.spatial[dim] *= p.stride[dim];  // else it is never used, and may be huge
    p.in[dim] = p.out[dim];
    p.stride[dim] = 1;
  }
}

// Where outputs and taps are both a multiple of n inputs apart, only every n-th one is read.
void leave_out_unread(Request* r, int dims) {
  ConvProblem& p = r->problem;
  if (p.is_padded() && p.pad_mode != PadMode::kConstant) return;
  for (int dim = 0; dim < dims; ++dim) {
    const Index n = std::gcd(p.stride[dim], p.dilation[dim]);
    const Index before = ceil_div(p.pad_begin[dim], n), first = before * n - p.pad_begin[dim];
    if (p.kernel[dim] == 1 || n == 1 || first >= p.in[dim]) continue;
    r->input_origin += first * r->in.spatial[dim];
    p.in[dim] = ceil_div(p.in[dim] - first, n);
    p.stride[dim] /= n;
    p.dilation[dim] /= n;
    const Index read = (p.out[dim] - 1) * p.stride[dim] + window_extent(p.kernel[dim], p.dilation[dim]);
    p.pad_begin[dim] = before;
    p.pad_end[dim] = max_of(0, read - before - p.in[dim]);
    if (p.in[dim] > 1) r->in.spatial[dim] *= n;  // else it is never used, and may be huge
  }
}

void swap_dims(Request* r, int a, int b) {
  ConvProblem& p = r->problem;
  for (Spatial* s : {&p.in, &p.kernel, &p.stride, &p.dilation, &p.pad_begin, &p.pad_end, &p.out,
                     &r->in.spatial, &r->out.spatial, &r->weight.kernel})
    std::swap((*s)[a], (*s)[b]);
}

void move_units_outwards(Request* r) {
  for (int pass = 0; pass < 2; ++pass)
    for (int dim = kMaxSpatial - 1; dim > 0; --dim)
      if (is_unit(r->problem, dim) && !is_unit(r->problem, dim - 1)) swap_dims(r, dim, dim - 1);
}

// Folds dimension `outer` into `inner` where both are pointwise at stride 1 and evenly spaced in both arrays.
bool merge(Request* r, int outer, int inner) {
  ConvProblem& p = r->problem;
  if (!is_pointwise(p, outer) || !is_pointwise(p, inner) || p.in[outer] == 1) return false;
  if (r->in.spatial[outer] != r->in.spatial[inner] * p.in[inner]) return false;
  if (r->out.spatial[outer] != r->out.spatial[inner] * p.out[inner]) return false;
  p.in[inner] = p.out[inner] = p.in[inner] * p.in[outer];
  p.in[outer] = p.out[outer] = 1;
  return true;
}

void merge_batch(Request* r) {
  ConvProblem& p = r->problem;
  if (p.batch == 1 || !is_pointwise(p, kW) || !is_unit(p, kH) || !is_unit(p, kD)) return;
  if (p.in[kW] == 1) {  // whose stride says nothing
    r->in.spatial[kW] = r->in.batch;
    r->out.spatial[kW] = r->out.batch;
  }
  if (r->in.batch != r->in.spatial[kW] * p.in[kW] || r->out.batch != r->out.spatial[kW] * p.out[kW]) return;
  p.in[kW] = p.out[kW] = p.in[kW] * p.batch;
  p.batch = 1;
}

}  // namespace

Request read_elements_only(const Request& request, bool whole_rows) {
  Request r = request;
  leave_out_unread(&r, whole_rows ? kW : kMaxSpatial);
  return simplified(r);
}

Request simplified(const Request& request) {
  Request r = request;
  settle_format(&r);
  settle_one_pixel(&r);
  subsample(&r);
  move_units_outwards(&r);
  merge(&r, kH, kW);
  if (is_unit(r.problem, kH)) swap_dims(&r, kD, kH);
  merge(&r, kH, kW);
  merge(&r, kD, kH);
  move_units_outwards(&r);
  merge_batch(&r);
  return r;
}

}  // namespace pyconv
