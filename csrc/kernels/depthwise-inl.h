// Depthwise convolution: every output channel reads one input channel. Channel vectors hold one pixel's
// channels, several pixels in registers, and share each loaded pixel between the taps of a row; pixel vectors
// hold a row's pixels of one channel, several output rows in registers, and share each loaded vector between
// the rows. Nothing here knows of padding: the caller supplies whatever a tap reads. Contracts:
// depthwise_args.h.
#pragma once

#include "kernels/depthwise_args.h"
#include "kernels/tile_store-inl.h"
#include "simd/vec.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

template <class T>
PYCONV_INLINE void NextLine(TileOutput<T>* output, Index step) {
  output->out += step;
  if (output->residual) output->residual += step;
}

// --- vectors of channels
// ------------------------------------------------------------------------------------

// The columns that a row's taps reach, w_tap apart, and which of them lie in the input: [begin, end).
template <class T>
struct Columns {
  const T* row;
  Index w_tap, begin, end;

  void skip(Index taps) { row += taps * w_tap, begin -= taps, end -= taps; }
};

constexpr int kColumnsPerBase = 4;  // so many a pointer reaches by what an address may have

// How a pixel becomes the vector that its weights are multiplied with: as it lies in memory.
template <class T>
struct WholePixel {
  V<T> operator()(const T* pixel) const { return LoadU(pixel); }
};

// kTaps taps of a row for kPixels outputs that are kStride taps apart: each pixel is loaded once. Columns
// outside are zeros; only the first kEdge and the last kEdge may be outside.
template <class T, int kPixels, int kTaps, int kStride, int kEdge, class Load = WholePixel<T>>
PYCONV_INLINE void SharedTaps(const Columns<T>& columns, const T* weights, Index weights_w,
                              V<T> (&acc)[kPixels][1], const Load& load = Load()) {
  alignas(kVectorBytes) static const T zeros[kLanes<T>] = {};
  constexpr int kColumns = (kPixels - 1) * kStride + kTaps;
  V<T> w[kTaps];
#pragma GCC unroll 7
  for (int k = 0; k < kTaps; ++k) w[k] = InRegister<T>(LoadU(weights + k * weights_w));
  const T* base = columns.row;
#pragma GCC unroll 33
  for (int j = 0; j < kColumns; ++j) {
    const bool outside = (j < kEdge && j < columns.begin) || (j >= kColumns - kEdge && j >= columns.end);
    const V<T> x = InRegister<T>(load(outside ? zeros : base + j % kColumnsPerBase * columns.w_tap));
    if ((j + 1) % kColumnsPerBase == 0) base = Opaque(base + kColumnsPerBase * columns.w_tap);
#pragma GCC unroll 7
    for (int k = 0; k < kTaps; ++k) {
      const int p = (j - k) / kStride;
      if (j >= k && (j - k) % kStride == 0 && p < kPixels) Accumulate<T>(&acc[p][0], x, w[k]);
    }
  }
}

// Any row's taps in threes, the last four as two pairs: with 14 pixels that already loads less than once
// every other FMA, so that even loads that straddle cache lines keep up (groups of 5 measured the same).
template <class T, int kPixels, int kStride, int kEdge = (kPixels - 1) * kStride + 3,
          class Load = WholePixel<T>>
PYCONV_INLINE void AnyRow(Columns<T> columns, Index taps_left, const T* weights, Index w,
                          V<T> (&acc)[kPixels][1], const Load& load = Load()) {
  for (Index left = taps_left; left > 0;) {
    const Index taps = left == 4 ? 2 : left < 3 ? left : 3;
    if (taps == 3)
      SharedTaps<T, kPixels, 3, kStride, kEdge>(columns, weights, w, acc, load);
    else if (taps == 2)
      SharedTaps<T, kPixels, 2, kStride, kEdge>(columns, weights, w, acc, load);
    else
      SharedTaps<T, kPixels, 1, kStride, kEdge>(columns, weights, w, acc, load);
    columns.skip(taps);
    weights += taps * w;
    left -= taps;
  }
}

template <class T, int kPixels, class Load = WholePixel<T>>
PYCONV_INLINE void StridedRow(const TapGrid& grid, const T* row, const T* weights, V<T> (&acc)[kPixels][1],
                              const Load& load = Load()) {
  for (Index k = 0; k < grid.kernel[kW]; ++k, row += grid.w_tap) {
    const V<T> w = LoadU(weights + k * grid.weights_w);
    const T* pixel = row;
#pragma GCC unroll 16
    for (int p = 0; p < kPixels; ++p, pixel += grid.pixel_step) Accumulate<T>(&acc[p][0], load(pixel), w);
  }
}

template <class T, bool kWrite>
PYCONV_INLINE void Ask(const AskAhead<T>& ahead, Index line, Index block, Index channel) {
  const T* row =
      ahead.first + line * ahead.line_step + block * ahead.block_step + channel * ahead.channel_step;
  for (Index r = 0; r < ahead.rows; ++r, row += ahead.row_step)
    for (Index v = 0; v < ahead.vectors; ++v) __builtin_prefetch(row + v * ahead.vector_step, kWrite, 2);
}

// f(channel, vectors) of as many vectors as lie side by side, up to kMost.
template <class T, int kMost, class F>
PYCONV_INLINE void EachGroup(const ChannelRange& range, const F& f) {
  for (Index channel = range.first, next = range.second;;) {
    const Index beside = next == channel + kLanes<T> ? (range.last - channel) / kLanes<T> + 1 : 1;
    const Index vectors = beside < kMost ? beside : kMost;
    f(channel, vectors);
    if (channel + (vectors - 1) * kLanes<T> == range.last) return;
    if (vectors > 1) next = channel + vectors * kLanes<T>;
    channel = next < range.last ? next : range.last;
    next = channel + kLanes<T>;
  }
}

// f(channel) of each vector.
template <class T, class F>
PYCONV_INLINE void EachVector(const ChannelRange& range, const F& f) {
  EachGroup<T, 1>(range, [&](Index channel, Index) { f(channel); });
}

// kStride 0: the distance between outputs is no small multiple of the distance between taps. kTaps 0: any
// row; else a row has so many taps, and at most half of them are outside at either end.
template <class T, int kPixels, int kStride, int kTaps, int kEdge>
PYCONV_INLINE void SumTaps(const TapGrid& grid, const T* input, const T* weights, V<T> (&acc)[kPixels][1]) {
#pragma GCC unroll 16
  for (int p = 0; p < kPixels; ++p) acc[p][0] = Zero<T>();
  constexpr bool kPlane = kTaps != 0 && kEdge == 0;
  for (Index kd = 0; kd < (kPlane ? 1 : grid.kernel[kD]);
       ++kd, input += grid.d_tap, weights += grid.weights_d) {
    Columns<T> columns{input, grid.w_tap, grid.first_column, grid.end_column};
    const T* row_weights = weights;
    for (Index kh = 0; kh < grid.kernel[kH]; ++kh, columns.row += grid.h_tap, row_weights += grid.weights_h) {
      if constexpr (kTaps != 0)
        SharedTaps<T, kPixels, kTaps, kStride, kEdge>(columns, row_weights, grid.weights_w, acc);
      else if constexpr (kStride != 0)
        AnyRow<T, kPixels, kStride>(columns, grid.kernel[kW], row_weights, grid.weights_w, acc);
      else
        StridedRow<T, kPixels>(grid, columns.row, row_weights, acc);
    }
  }
}

template <class T, int kPixels, int kVectors>
PYCONV_INLINE void FinishVectors(TileOutput<T> output, Index channel, V<T> (&acc)[kPixels][kVectors]) {
  constexpr Index kWidth = kVectors * kLanes<T>, kLast = kWidth - kLanes<T>;
  NextLine(&output, channel * output.out_n_stride);
  output.n_valid = output.n_valid - channel < kWidth ? output.n_valid - channel : kWidth;
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    V<T> bias = Zero<T>();
    if (output.bias) {
      const T* of_vector = output.bias + channel + v * kLanes<T>;
      bias = PositiveZero<T>(v + 1 < kVectors ? LoadU(of_vector) : LoadN(of_vector, output.n_valid - kLast));
    }
#pragma GCC unroll 16
    for (int p = 0; p < kPixels; ++p) acc[p][v] = acc[p][v] + bias;
  }
  Finish<T, kPixels, kVectors>(output, acc);
}

// Lines, blocks, vectors: a block takes its pixels from the first channel to the last, as they lie in memory,
// and prefetchers follow.
template <class T, int kPixels, int kStride, int kTaps, int kEdge>
__attribute__((noinline)) void ChannelVectorLines(const ChannelVectorArgs<T>& args,
                                                  const ChannelRange& vectors) {
  const TapGrid grid = args;  // copies: stores might change what they are of
  const ChannelRange range = vectors;
  TileOutput<T> line_output = args;
  const Index lines = args.lines, blocks = args.blocks;
  const Index line_step = args.line_step, out_line_step = args.out_line_step;
  const T *line_input = args.input, *const weights = args.weights;
  const bool asks = args.ahead_input.rows + args.ahead_output.rows > 0;
  for (Index line = 0; line < lines; ++line, line_input += line_step) {
    TileOutput<T> block_output = line_output;
    const T* input = line_input;
    for (Index block = 0; block < blocks; ++block, input += kPixels * grid.pixel_step) {
      EachVector<T>(range, [&](Index channel) {
        V<T> acc[kPixels][1];
        if (asks) {
          Ask<T, false>(args.ahead_input, line, block, channel);
          Ask<T, true>(args.ahead_output, line, block, channel);
        }
        SumTaps<T, kPixels, kStride, kTaps, kEdge>(grid, input + channel, weights + channel, acc);
        FinishVectors<T, kPixels, 1>(block_output, channel, acc);
      });
      NextLine(&block_output, kPixels * block_output.out_m_stride);
    }
    NextLine(&line_output, out_line_step);
  }
}

template <int kNumber>
struct Number {
  static constexpr int value = kNumber;
};

// With 16 registers rows of usual widths have loops of their own, with nothing to decide in a row: AVX2 takes
// 0.7 of the time (docs/decisions/0029), the baseline 0.6 (Zen 4, 3x3 144@56 1082 -> 638 us, 5x5 240@28 892
// -> 543). The baseline has none for 4 and 7 taps, which take the compiler 2.7 s (7x7 192@28 572 -> 635 us,
// 4 taps 8x256@512 707 -> 928). With 32 most of these layers roll; the others were not measured.
template <class T, int kPixels, int kStride>
PYCONV_INLINE void SharedLines(const ChannelVectorArgs<T>& args, const ChannelRange& range) {
  if constexpr (kRegisters == 16 && kStride > 0) {
    const Index taps = args.kernel[kW], half = taps / 2, columns = (kPixels - 1) * kStride + taps;
    const bool same = args.first_column <= half && args.end_column >= columns - half;
    const bool inside = args.kernel[kD] == 1 && args.first_column <= 0 && args.end_column >= columns;
    const auto lines = [&](auto number) {
      constexpr int kTaps = decltype(number)::value;
      // Pieces of wide rows have a loop for blocks inside; with all of them the library compiles 8 s longer.
      constexpr int kEdge = kTaps / 2, kInside = kPixels > 4 ? 0 : kEdge;
      if (inside) return ChannelVectorLines<T, kPixels, kStride, kTaps, kInside>(args, range);
      ChannelVectorLines<T, kPixels, kStride, kTaps, kEdge>(args, range);
    };
    if (same && taps == 3) return lines(Number<3>());
    if (same && taps == 5) return lines(Number<5>());
    if constexpr (kStride == 1 && kVectorBytes == 32) {
      if (same && taps == 4) return lines(Number<4>());
      if (same && taps == 7) return lines(Number<7>());
    }
  }
  ChannelVectorLines<T, kPixels, kStride, 0, 0>(args, range);
}

// Outputs that are not as far apart as taps share little. With AVX-512 they take several vectors of
// channels of a pixel at once and load each tap for each product, which L1 keeps up with: two loads and two
// FMAs a cycle. What is read of a pixel is a stretch of memory, which prefetchers follow
// (docs/decisions/0043-wide-vectors.md).
constexpr bool kWide = kVectorBytes == 64;
constexpr int kWideVectors = 4;

template <class T, int kPixels, int kVectors>
PYCONV_INLINE void WideTaps(const TapGrid& grid, const T* input, const T* weights,
                            V<T> (&acc)[kPixels][kVectors]) {
#pragma GCC unroll 7
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[p][v] = Zero<T>();
  for (Index kd = 0; kd < grid.kernel[kD]; ++kd, input += grid.d_tap, weights += grid.weights_d) {
    const T *row = input, *row_weights = weights;
    for (Index kh = 0; kh < grid.kernel[kH]; ++kh, row += grid.h_tap, row_weights += grid.weights_h) {
      const T *tap = row, *tap_weights = row_weights;
      for (Index kw = 0; kw < grid.kernel[kW]; ++kw, tap += grid.w_tap, tap_weights += grid.weights_w) {
        V<T> w[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) w[v] = LoadU(tap_weights + v * kLanes<T>);
        const T* pixel = tap;
#pragma GCC unroll 7
        for (int p = 0; p < kPixels; ++p, pixel += grid.pixel_step)
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) Accumulate<T>(&acc[p][v], LoadU(pixel + v * kLanes<T>), w[v]);
      }
    }
  }
}

template <class T, int kPixels>
__attribute__((noinline)) void WideLines(const ChannelVectorArgs<T>& args, const ChannelRange& range) {
  const TapGrid grid = args;
  TileOutput<T> line_output = args;
  const T* line_input = args.input;
  const bool asks = args.ahead_input.rows + args.ahead_output.rows > 0;
  for (Index line = 0; line < args.lines; ++line, line_input += args.line_step) {
    TileOutput<T> block_output = line_output;
    const T* input = line_input;
    for (Index block = 0; block < args.blocks; ++block, input += kPixels * grid.pixel_step) {
      EachGroup<T, kWideVectors>(range, [&](Index channel, Index vectors) {
        for (Index v = 0; asks && v < vectors; ++v) {
          Ask<T, false>(args.ahead_input, line, block, channel + v * kLanes<T>);
          Ask<T, true>(args.ahead_output, line, block, channel + v * kLanes<T>);
        }
        const auto compute = [&](auto number) {
          constexpr int kVectors = decltype(number)::value;
          V<T> acc[kPixels][kVectors];
          WideTaps<T, kPixels, kVectors>(grid, input + channel, args.weights + channel, acc);
          FinishVectors<T, kPixels, kVectors>(block_output, channel, acc);
        };
        if (vectors == kWideVectors) return compute(Number<kWideVectors>());
        if (vectors == 3) return compute(Number<3>());
        if (vectors == 2) return compute(Number<2>());
        compute(Number<1>());
      });
      NextLine(&block_output, kPixels * block_output.out_m_stride);
    }
    NextLine(&line_output, args.out_line_step);
  }
}

// So many pixels at most where outputs are not as far apart as taps, more in two calls: sums and weights of
// kWideVectors fit 32 registers. With 16 a tile has no more than eight, and they are one call (AVX2, 3x3
// stride 2 96@112: 656 -> 379 us).
constexpr int kMostStridedPixels = kRegisters == 32 ? 7 : 8;

template <class T, int kPixels, int kStride>
PYCONV_INLINE void StridedLines(const ChannelVectorArgs<T>& args, const ChannelRange& range) {
  if constexpr (kPixels > kMostStridedPixels) {
    constexpr int kFirst = kPixels / 2;
    ChannelVectorArgs<T> first = args;
    first.blocks = 1;
    for (Index left = args.blocks; left > 0; --left) {
      StridedLines<T, kFirst, kStride>(first, range);
      ChannelVectorArgs<T> rest = first;
      NextLine(&rest, kFirst * args.out_m_stride);
      rest.input += kFirst * args.pixel_step;
      rest.first_column -= kFirst * kStride;
      rest.end_column -= kFirst * kStride;
      rest.ahead_input.rows = rest.ahead_output.rows = 0;
      StridedLines<T, kPixels - kFirst, kStride>(rest, range);
      NextLine(&first, kPixels * args.out_m_stride);
      first.input += kPixels * args.pixel_step;
      first.ahead_input.first += args.ahead_input.block_step;
      first.ahead_output.first += args.ahead_output.block_step;
    }
  } else if constexpr (kWide) {
    WideLines<T, kPixels>(args, range);
  } else {
    SharedLines<T, kPixels, kStride>(args, range);
  }
}

template <class T, int kPixels>
void ChannelVectorTile(const ChannelVectorArgs<T>& args, const ChannelRange& range) {
  if (args.pixel_step == args.w_tap && !(kWide && args.wide))
    SharedLines<T, kPixels, 1>(args, range);
  else if (!kWide && args.pixel_step == 2 * args.w_tap)
    StridedLines<T, kPixels, 2>(args, range);
  else
    StridedLines<T, kPixels, 0>(args, range);
}

// --- vectors of pixels
// --------------------------------------------------------------------------------------

// One input row into the output lines [first, end) that read it; `weights` is line 0's row of taps, line r's
// lies r rows before it.
template <class T, int kLines, int kVectors>
PYCONV_INLINE void InputRow(const T* row, const Index* w_offset, Index k_w, const T* weights, int first,
                            int end, V<T> (&acc)[kLines][kVectors]) {
  for (Index k = 0; k < k_w; ++k) {
    V<T> x[kVectors];
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) x[n] = LoadU(row + w_offset[k] + n * kLanes<T>);
#pragma GCC unroll 4
    for (int r = 0; r < kLines; ++r) {
      if (r < first || r >= end) continue;
      const V<T> w = Set(weights[k - r * k_w]);
#pragma GCC unroll 4
      for (int n = 0; n < kVectors; ++n) Accumulate<T>(&acc[r][n], w, x[n]);
    }
  }
}

// kLines output lines at once. Where lines are as far apart as the kernel's rows, each input row is loaded
// once for all lines that read it; that needs k_h >= kLines.
template <class T, int kLines, int kVectors>
PYCONV_INLINE void PixelVectorLines(const PixelVectorArgs<T>& args, const T* input,
                                    const TileOutput<T>& output) {
  V<T> acc[kLines][kVectors];
#pragma GCC unroll 4
  for (int r = 0; r < kLines; ++r)
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) acc[r][n] = Zero<T>();
  const Index k_h = args.kernel[kH], k_w = args.kernel[kW];
  for (Index kd = 0; kd < args.kernel[kD]; ++kd) {
    const T* row = input + kd * args.d_tap;
    const T* w = args.weights + kd * k_h * k_w;
#pragma GCC unroll 4
    for (int i = 0; i < kLines - 1; ++i, row += args.h_tap, w += k_w)
      InputRow<T, kLines, kVectors>(row, args.w_offset, k_w, w, 0, i + 1, acc);
    for (Index i = kLines - 1; i < k_h; ++i, row += args.h_tap, w += k_w)
      InputRow<T, kLines, kVectors>(row, args.w_offset, k_w, w, 0, kLines, acc);
#pragma GCC unroll 4
    for (int i = 1; i < kLines; ++i, row += args.h_tap, w += k_w)
      InputRow<T, kLines, kVectors>(row, args.w_offset, k_w, w, i, kLines, acc);
  }
  const V<T> bias = args.bias ? PositiveZero<T>(Set(*args.bias)) : Zero<T>();
#pragma GCC unroll 4
  for (int r = 0; r < kLines; ++r)
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) acc[r][n] = acc[r][n] + bias;
  Finish<T, kLines, kVectors>(output, acc);
}

// Lines [first, first + count) of a tile's output; past its last one, those of the tile to its right.
template <class T, int kVectors>
PYCONV_INLINE void AskForOutput(const PixelVectorArgs<T>& args, Index first, Index count) {
  for (Index line = first; line < first + count; ++line) {
    const T* const out = line < args.lines
                             ? args.out + line * args.out_line_step
                             : args.out + (line - args.lines) * args.out_line_step + kVectors * kLanes<T>;
    for (int n = 0; n < kVectors * kVectorBytes; n += 64)
      __builtin_prefetch(reinterpret_cast<const char*>(out) + n, 1);
  }
}

template <class T, int kVectors>
void PixelVectorTile(const PixelVectorArgs<T>& args) {
  const bool shared = args.line_step == args.h_tap;
  TileOutput<T> output = args;
  const T* input = args.input;
  for (Index left = args.lines; left > 0;) {
    const Index lines = !shared ? 1 : left < args.kernel[kH] ? left : args.kernel[kH];
    if (lines >= 3)
      PixelVectorLines<T, 3, kVectors>(args, input, output);
    else if (lines == 2)
      PixelVectorLines<T, 2, kVectors>(args, input, output);
    else
      PixelVectorLines<T, 1, kVectors>(args, input, output);
    const Index done = lines < 3 ? lines : 3;
    if (args.lines_ahead > 0) AskForOutput<T, kVectors>(args, args.lines - left + args.lines_ahead, done);
    input += done * args.line_step;
    NextLine(&output, done * args.out_line_step);
    left -= done;
  }
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
