#include "algo/input_rows.h"

#include <algorithm>

namespace pyconv {
namespace {

template <class T>
struct RowWriter {
  const DenseKernels<T>& kernels;
  Index channels, pixel_stride, channel_stride;
  RowCopy<T> to;

  bool channels_inner() const { return to.order == RowOrder::kChannelsInner; }
  T* place(Index pixel) const { return to.dst + (channels_inner() ? pixel * to.pitch : pixel); }

  void copy(const T* src, Index pixel, Index count) const {
    if (to.groups > 1) return copy_groups(src, pixel, count);
    if (channels_inner())
      kernels.gather2d(place(pixel), to.pitch, src, pixel_stride, channel_stride, count, channels);
    else
      kernels.gather2d(place(pixel), to.pitch, src, channel_stride, pixel_stride, channels, count);
  }
  // Pixel by pixel, in the order of memory: a group's part of every pixel is no stream that a prefetcher
  // follows (3x3 in groups of 8 channels, seven layers, Zen 3: 1.2).
  void copy_groups(const T* src, Index pixel, Index count) const {
    for (Index i = 0; i < count; ++i, src += pixel_stride)
      kernels.gather2d(place(pixel + i), to.group_pitch, src, channels * channel_stride, channel_stride,
                       to.groups, channels);
  }
  void fill(T value, Index pixel, Index count) const {
    const Index lines = channels_inner() ? count : channels, length = channels_inner() ? channels : count;
    for (Index group = 0; group < to.groups; ++group) {
      T* line = place(pixel) + group * to.group_pitch;
      for (Index i = 0; i < lines; ++i, line += to.pitch) std::fill_n(line, length, value);
    }
  }
};

// Which of `count` positions first, first + step, ... lie in [0, size).
struct Inside {
  Index begin, end;
  Inside(Index first, Index step, Index count, Index size)
      : begin(min_of(count, first >= 0 ? 0 : ceil_div(-first, step))),
        end(max_of(begin, min_of(count, first >= size ? 0 : (size - 1 - first) / step + 1))) {}
  bool empty() const { return begin == end; }
};

template <class T>
void fill_borders(T* dst, Index pitch, T pad, const PlaneBlock& block, const Inside& rows,
                  const Inside& cols) {
  for (Index r = 0; r < block.rows; ++r, dst += pitch) {
    const bool inside = r >= rows.begin && r < rows.end;
    std::fill(dst, dst + (inside ? cols.begin : block.cols), pad);
    if (inside) std::fill(dst + cols.end, dst + block.cols, pad);
  }
}

}  // namespace

template <class T>
void read_row(const InputImage<T>& image, const DenseKernels<T>& kernels, const T* row, Index channels,
              Index first, Index step, Index count, const RowCopy<T>& copy) {
  const ConvProblem& p = *image.problem;
  const Index width = p.in[kW], w_stride = image.strides.spatial[kW];
  const RowWriter<T> writer{kernels, channels, step * w_stride, image.strides.channel, copy};
  const T pad = static_cast<T>(p.pad_value);
  if (row == nullptr) return writer.fill(pad, 0, count);
  // Pixels [inside, after) lie in the row; the ends are handled one by one, or filled when they are constant.
  const auto [inside, after] = Inside(first, step, count, width);
  const auto border = [&](Index begin, Index end) {
    if (begin >= end) return;
    if (p.pad_mode == PadMode::kConstant) return writer.fill(pad, begin, end - begin);
    for (Index i = begin; i < end; ++i)
      writer.copy(row + source_index(first + i * step, width, p.pad_mode) * w_stride, i, 1);
  };
  border(0, inside);
  if (after > inside) writer.copy(row + (first + inside * step) * w_stride, inside, after - inside);
  border(after, count);
}

template <class T>
void read_plane(const InputImage<T>& image, const DenseKernels<T>& kernels, const PlaneBlock& block, T* dst,
                Index pitch, bool borders_hold) {
  const ConvProblem& p = *image.problem;
  if (p.pad_mode != PadMode::kConstant) {
    for (Index r = 0; r < block.rows; ++r, dst += pitch)
      read_row(image, kernels, image.row(block.d, block.first_h + r * block.h_step), 1, block.first_w,
               block.w_step, block.cols, RowCopy<T>{RowOrder::kPixelsInner, dst, pitch});
    return;
  }
  const bool has_plane = block.d >= 0 && block.d < p.in[kD];
  const Inside rows(block.first_h, block.h_step, has_plane ? block.rows : 0, p.in[kH]);
  const Inside cols(block.first_w, block.w_step, block.cols, p.in[kW]);
  if (!borders_hold) fill_borders(dst, pitch, static_cast<T>(p.pad_value), block, rows, cols);
  if (rows.empty() || cols.empty()) return;
  const Spatial& s = image.strides.spatial;
  const T* src = image.data + block.d * s[kD] + (block.first_h + rows.begin * block.h_step) * s[kH] +
                 (block.first_w + cols.begin * block.w_step) * s[kW];
  kernels.gather2d(dst + rows.begin * pitch + cols.begin, pitch, src, block.h_step * s[kH],
                   block.w_step * s[kW], rows.end - rows.begin, cols.end - cols.begin);
}

template void read_plane<float>(const InputImage<float>&, const DenseKernels<float>&, const PlaneBlock&,
                                float*, Index, bool);
template void read_plane<double>(const InputImage<double>&, const DenseKernels<double>&, const PlaneBlock&,
                                 double*, Index, bool);
template void read_row<float>(const InputImage<float>&, const DenseKernels<float>&, const float*, Index,
                              Index, Index, Index, const RowCopy<float>&);
template void read_row<double>(const InputImage<double>&, const DenseKernels<double>&, const double*, Index,
                               Index, Index, Index, const RowCopy<double>&);

}  // namespace pyconv
