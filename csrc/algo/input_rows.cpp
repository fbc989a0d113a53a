#include "algo/input_rows.h"

#include <algorithm>

namespace pyconv {
namespace {

template <class T>
struct RowWriter {
  const DenseKernels<T>& kernels;
  Index channels, pixel_stride, channel_stride;
  RowOrder order;
  T* dst;
  Index pitch;

  void copy(const T* src, Index pixel, Index count) const {
    if (order == RowOrder::kChannelsInner)
      kernels.gather2d(dst + pixel * pitch, pitch, src, pixel_stride, channel_stride, count, channels);
    else
      kernels.gather2d(dst + pixel, pitch, src, channel_stride, pixel_stride, channels, count);
  }
  void fill(T value, Index pixel, Index count) const {
    const bool channels_inner = order == RowOrder::kChannelsInner;
    const Index lines = channels_inner ? count : channels, length = channels_inner ? channels : count;
    T* line = channels_inner ? dst + pixel * pitch : dst + pixel;
    for (Index i = 0; i < lines; ++i, line += pitch) std::fill_n(line, length, value);
  }
};

}  // namespace

template <class T>
void read_row(const InputImage<T>& image, const DenseKernels<T>& kernels, const T* row, Index channels,
              Index first, Index step, Index count, RowOrder order, T* dst, Index pitch) {
  const ConvProblem& p = *image.problem;
  const Index width = p.in[kW], w_stride = image.strides.spatial[kW];
  const RowWriter<T> writer{kernels, channels, step * w_stride, image.strides.channel, order, dst, pitch};
  const T pad = static_cast<T>(p.pad_value);
  if (row == nullptr) return writer.fill(pad, 0, count);
  // Pixels [inside, after) lie in the row; the ends are handled one by one, or filled when they are constant.
  const Index inside = min_of(count, first >= 0 ? 0 : ceil_div(-first, step));
  const Index after = max_of(inside, min_of(count, first >= width ? 0 : (width - 1 - first) / step + 1));
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

template void read_row<float>(const InputImage<float>&, const DenseKernels<float>&, const float*, Index,
                              Index, Index, Index, RowOrder, float*, Index);
template void read_row<double>(const InputImage<double>&, const DenseKernels<double>&, const double*, Index,
                               Index, Index, Index, RowOrder, double*, Index);

}  // namespace pyconv
