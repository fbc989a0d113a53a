#include "algo/winograd_input.h"

#include <algorithm>

namespace pyconv {

template <class T>
void TileReader<T>::gather(const TileRun& run, Index d, Index group, Index first_channel, Index channels,
                           T* dst, Index pitch) const {
  const InputImage<T> from = image(run.image, group, first_channel);
  const Index cols = columns(run.count), step = problem.dilation[kW], first = col_position(run, 0);
  const Index limit = problem.in[kW] + problem.pad_end[kW];
  const Index existing = first >= limit ? 0 : min_of(cols, ceil_div(limit - first, step));
  for (Index i = 0; i < grid.in_h; ++i, dst += cols * pitch) {
    const Index h = row_position(run, i);
    const Index read = beyond(kH, h) ? 0 : existing;
    if (read > 0)
      read_row(from, kernels, from.row(d, h), channels, first, step, read, RowOrder::kChannelsInner, dst,
               pitch);
    for (Index c = read; c < cols; ++c) std::fill_n(dst + c * pitch, channels, T(0));
  }
}

template <class T>
void TileReader<T>::find_rows(const TileRun& run, Index d, Index group, const T* pad, const T* zero,
                              const T** rows) const {
  const InputImage<T> from = image(run.image, group, 0);
  for (Index i = 0; i < grid.in_h; ++i) {
    const Index h = row_position(run, i);
    const T* row = beyond(kH, h) ? zero : from.row(d, h);
    rows[i] = row == nullptr ? pad : row;
  }
}

template <class T>
void TileReader<T>::point(const TileRun& run, Index tile, const T* const* rows, const T* pad, const T* zero,
                          const T** pixels) const {
  for (Index c = 0; c < grid.in_w; ++c) {
    const Index w = col_position(run, tile * grid.out_w + c);
    const Index from = beyond(kW, w) ? kOutside : source_index(w, problem.in[kW], problem.pad_mode);
    const T* outside = beyond(kW, w) ? zero : pad;
    for (Index r = 0; r < grid.in_h; ++r)
      pixels[r * grid.in_w + c] = rows[r] == zero    ? zero
                                  : from == kOutside ? outside
                                  : rows[r] == pad   ? pad
                                                     : rows[r] + from * strides.spatial[kW];
  }
}

template struct TileReader<float>;
template struct TileReader<double>;

}  // namespace pyconv
