#include "algo/winograd_input.h"

#include <algorithm>

namespace pyconv {

template <class T>
void TileReader<T>::gather(const TileRun& run, Index d, Index group, Index first_channel, Index channels,
                           const Band& band) const {
  const InputImage<T> from = image(run.image, group, first_channel);
  const Index cols = grid.w.reach(run.count), step = grid.w.spacing, first = col_position(run, 0);
  const Index limit = problem.in[kW] + problem.pad_end[kW];
  const Index existing = first >= limit ? 0 : min_of(cols, ceil_div(limit - first, step));
  T* dst = band.first;
  for (Index i = 0; i < reach_h; ++i, dst += band.row) {
    const Index h = row_position(run, i);
    const Index read = beyond(kH, h) ? 0 : existing;
    if (read > 0)
      read_row(from, kernels, from.row(d, h), channels, first, step, read,
               {RowOrder::kChannelsInner, dst, band.pixel});
    for (Index c = read; c < cols; ++c) std::fill_n(dst + c * band.pixel, channels, T(0));
  }
}

template <class T>
typename TileReader<T>::Inside TileReader<T>::tiles_inside(const TileRun& run, Index d) const {
  const Index top = row_position(run, 0), bottom = row_position(run, reach_h - 1);
  if (d < 0 || d >= problem.in[kD] || top < 0 || bottom >= problem.in[kH]) return {0, 0};
  const Index left = col_position(run, 0), right = col_position(run, reach_w - 1);
  const Index step = grid.w.spacing * grid.w.outputs * grid.w.step, width = problem.in[kW];
  const Index begin = left >= 0 ? 0 : ceil_div(-left, step);
  const Index end = right >= width ? 0 : (width - 1 - right) / step + 1;
  return {min_of(begin, run.count), max_of(min_of(begin, run.count), min_of(end, run.count))};
}

template <class T>
void TileReader<T>::find_rows(const TileRun& run, Index d, Index group, Places* places) const {
  const InputImage<T> from = image(run.image, group, 0);
  for (Index i = 0; i < reach_h; ++i) {
    const Index h = row_position(run, i);
    const T* row = beyond(kH, h) ? places->zero : from.row(d, h);
    places->rows[i] = row == nullptr ? places->pad : row;
  }
}

template <class T>
void TileReader<T>::find_cols(const TileRun& run, Index tile, Places* places) const {
  for (Index i = 0; i < reach_w; ++i) {
    const Index w = col_position(run, tile * grid.w.outputs * grid.w.step + i);
    places->cols[i] = beyond(kW, w) ? kBeyond : source_index(w, problem.in[kW], problem.pad_mode);
  }
}

template <class T>
void TileReader<T>::point(const KernelPart& part_h, const KernelPart& part_w, const Places& places,
                          const T** pixels) const {
  for (Index i = 0; i < grid.h.inputs; ++i)
    for (Index j = 0; j < grid.w.inputs; ++j) {
      const T** const pixel = pixels + i * grid.w.inputs + j;
      *pixel = places.zero;
      if (i >= part_h.points || j >= part_w.points) continue;
      const T* const row = places.rows[part_h.first + grid.h.step * i];
      const Index col = places.cols[part_w.first + grid.w.step * j];
      if (row == places.zero || col == kBeyond) continue;
      *pixel = row == places.pad || col == kOutside ? places.pad : row + col * strides.spatial[kW];
    }
}

template struct TileReader<float>;
template struct TileReader<double>;

}  // namespace pyconv
