// The dense microkernel: keep an m x n tile in registers, broadcast one operand, load vectors of the other.
// It makes direct convolution, im2col and every product inside other algorithms; it knows nothing of padding,
// strides or images. The contract is TileArgs in kernel_table.h.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/tile_store-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// With a base for every third row, x86 addressing ([b], [b + s], [b + 2 s]) reaches 14 rows with 5 bases and
// one stride.
constexpr int kRowsPerBase = 3;

template <class T, int kM, int kN>
PYCONV_INLINE void AccumulateStep(const char* const (&base)[(kM + kRowsPerBase - 1) / kRowsPerBase],
                                  Index row_bytes, int k, const T* weights, V<T> (&acc)[kM][kN]) {
  V<T> w[kN];
#pragma GCC unroll 4
  for (int n = 0; n < kN; ++n) w[n] = LoadU(weights + n * kLanes<T>);
#pragma GCC unroll 14
  for (int m = 0; m < kM; ++m) {
    const char* row = base[m / kRowsPerBase] + (m % kRowsPerBase) * row_bytes;
    const V<T> a = Set(reinterpret_cast<const T*>(row)[k]);
#pragma GCC unroll 4
    for (int n = 0; n < kN; ++n) Accumulate<T>(&acc[m][n], a, w[n]);
  }
}

// acc[m][:] += sum over k < length of act[m * stride + k] * weights[k][:]; returns the next weights. Pointers
// are all that changes, behind the compiler's back: it would count, and keep trip counts on the stack that
// cost as much between two runs as two terms (docs/decisions/0033-instructions-around-sums.md).
constexpr int kTermsAtOnce = 4;

template <class T, int kN, int kWrite, int kLevel>
PYCONV_INLINE void AskForVectors(const T* first) {
#pragma GCC unroll 4
  for (int n = 0; n < kN; ++n) __builtin_prefetch(first + n * kLanes<T>, kWrite, kLevel);
}

// What is asked for between the terms of a sum: nothing, output to write, or weights of a later tile, which
// go to L2.
enum class Ask : unsigned char { kNothing, kOutput, kWeights };

// `left` rows of kN vectors, `step` apart; of output so many at once that a sum's terms suffice, of weights,
// which at least two tiles share out, always two (docs/decisions/0049-weights-ahead.md).
template <class T>
struct AskRows {
  const T* next;
  Index step, left, at_once;
};
template <class T, int kN, Ask kAsk>
PYCONV_INLINE void AskForSome(AskRows<T>* rows) {
  if constexpr (kAsk == Ask::kWeights) {
    if (rows->left <= 0) return;
    AskForVectors<T, kN, 0, 2>(rows->next);
    AskForVectors<T, kN, 0, 2>(rows->next + rows->step);
    rows->next += 2 * rows->step;
    rows->left -= 2;
    return;
  }
  for (Index i = rows->at_once; i > 0 && rows->left > 0; --i, --rows->left, rows->next += rows->step)
    AskForVectors<T, kN, 1, 3>(rows->next);
}

template <class T, int kM, int kN, Ask kAsk>
PYCONV_INLINE const T* OcVectorRun(const T* act, Index row_bytes, Index length, const T* weights,
                                   V<T> (&acc)[kM][kN], AskRows<T>* ask) {
  constexpr int kBases = (kM + kRowsPerBase - 1) / kRowsPerBase;
  constexpr int kUnroll = kTermsAtOnce;
  const char* base[kBases] = {reinterpret_cast<const char*>(act)};
#pragma GCC unroll 8
  for (int b = 1; b < kBases; ++b) base[b] = Opaque(base[b - 1] + kRowsPerBase * row_bytes);
  const auto advance = [&](int terms) {
    weights = Opaque(weights + terms * kN * kLanes<T>);
#pragma GCC unroll 8
    for (int b = 0; b < kBases; ++b) base[b] = Opaque(base[b] + terms * sizeof(T));
  };
  const char* const whole = base[0] + (length & -kUnroll) * sizeof(T);
  while (base[0] != whole) {
    if constexpr (kAsk != Ask::kNothing) AskForSome<T, kN, kAsk>(ask);
#pragma GCC unroll 4
    for (int u = 0; u < kUnroll; ++u)
      AccumulateStep<T, kM, kN>(base, row_bytes, u, weights + u * kN * kLanes<T>, acc);
    advance(kUnroll);
  }
  for (Index left = length & (kUnroll - 1); left > 0; left = Opaque(left - 1)) {
    AccumulateStep<T, kM, kN>(base, row_bytes, 0, weights, acc);
    advance(1);
  }
  return weights;
}

template <class T, int kM, int kN>
PYCONV_INLINE void AccumulatePixels(const V<T> (&x)[kN], const T* weights, V<T> (&acc)[kM][kN]) {
#pragma GCC unroll 14
  for (int m = 0; m < kM; ++m) {
    const V<T> w = Set(weights[m]);
#pragma GCC unroll 4
    for (int n = 0; n < kN; ++n) Accumulate<T>(&acc[m][n], w, x[n]);
  }
}

template <class T>
constexpr int kPixelVectors = kRegisters == 32 || kVectorBytes == 32 ? 3 : 2;
constexpr int kAhead = 8;

// acc[:][n] += sum over k < length of weights[k][:] * act[k * stride + n]; only the first n_valid pixels are
// read. kAsks: wide tiles ask for rows of memory ahead.
template <class T, int kM, int kN, bool kTail, bool kAsks>
PYCONV_INLINE const T* PixelVectorTerms(const T* act, Index act_stride, Index length, Index n_valid,
                                        const T* weights, V<T> (&acc)[kM][kN]) {
  const auto load = [&](int n) {
    return kTail && n == kN - 1 ? LoadN(act + n * kLanes<T>, n_valid - n * kLanes<T>)
                                : LoadU(act + n * kLanes<T>);
  };
  for (const T* const end = weights + length * kM; weights != end;
       act += act_stride, weights = Opaque(weights + kM)) {
    if constexpr (kN > kPixelVectors<T>) {  // a row of registers goes to the few weights instead
      V<T> w[kM];
#pragma GCC unroll 4
      for (int m = 0; m < kM; ++m) w[m] = Set(weights[m]);
#pragma GCC unroll 12
      for (int n = 0; n < kN; ++n) {
        const V<T> x = kM > 1 ? InRegister<T>(load(n)) : load(n);
        if constexpr (kAsks) __builtin_prefetch(act + kAhead * act_stride + n * kLanes<T>);
#pragma GCC unroll 4
        for (int m = 0; m < kM; ++m) Accumulate<T>(&acc[m][n], w[m], x);
      }
      continue;
    }
    V<T> x[kN];
#pragma GCC unroll 4
    for (int n = 0; n < kN; ++n) x[n] = load(n);
    AccumulatePixels<T, kM, kN>(x, weights, acc);
  }
  return weights;
}

// `only`: there are no other taps, which would find in L1 what the first one has read (5x5 32 > 2,
// asking: 5.9 ms, 5.3 so).
template <class T, int kM, int kN, bool kTail>
PYCONV_INLINE const T* PixelVectorRun(const T* act, Index act_stride, Index length, Index n_valid, bool only,
                                      const T* weights, V<T> (&acc)[kM][kN]) {
  if (kN > kPixelVectors<T> && only)
    return PixelVectorTerms<T, kM, kN, kTail, true>(act, act_stride, length, n_valid, weights, acc);
  return PixelVectorTerms<T, kM, kN, kTail, false>(act, act_stride, length, n_valid, weights, acc);
}

// acc[:][n] += sum over k < terms of weights[k][:] * act[n * stride + k]: a block of kLanes pixels by kLanes
// k, transposed in registers. Memory is asked for in the order it lies in (swept by columns of the block, 8.5
// GB/s instead of 12), and into L2: 24 lines on their way to L1 is all a core has (12 instead of 23).
template <class T, int kM, int kN, bool kWhole>
PYCONV_INLINE void TransposedBlock(const T* pixel, Index act_stride, Index terms, Index pixels,
                                   const T* weights, int n, const T* ahead, V<T> (&acc)[kM][kN]) {
  V<T> x[kLanes<T>];
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<T>; ++i, pixel = Opaque(pixel + act_stride)) {
    __builtin_prefetch(ahead + i * kLanes<T>, 0, 2);
    x[i] = kWhole ? LoadU(pixel) : i < pixels ? LoadN(pixel, terms) : Zero<T>();
  }
  Transpose<T>(x);
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<T>; ++i) {
    if (!kWhole && i >= terms) break;
#pragma GCC unroll 14
    for (int m = 0; m < kM; ++m) Accumulate<T>(&acc[m][n], Set(weights[i * kM + m]), x[i]);
  }
}

constexpr Index kAheadBytes = 16 << 10;

// Terms of the first block, so that the others are whole cache lines, where those of all pixels begin
// together.
template <class T>
PYCONV_INLINE Index TermsToLine(const T* act, Index act_stride) {
  if (act_stride % kLanes<T> != 0) return kLanes<T>;
  const Index past = static_cast<Index>(reinterpret_cast<std::uintptr_t>(act) % kVectorBytes / sizeof(T));
  return kLanes<T> - past;
}

template <class T, int kM, int kN>
PYCONV_INLINE const T* TransposedRun(const T* act, Index act_stride, Index length, Index n_valid,
                                     const T* weights, V<T> (&acc)[kM][kN]) {
  const T* ahead = act + kAheadBytes / static_cast<Index>(sizeof(T));
  Index terms = TermsToLine(act, act_stride);
  for (Index k = 0; k < length; k += terms, terms = kLanes<T>) {
    if (length - k < terms) terms = length - k;
#pragma GCC unroll 2
    for (int n = 0; n < kN; ++n, ahead += kLanes<T> * kLanes<T>) {
      const T* pixel = act + k + n * kLanes<T> * act_stride;
      const Index pixels = n_valid - n * kLanes<T>;
      if (terms == kLanes<T> && pixels >= kLanes<T>)
        TransposedBlock<T, kM, kN, true>(pixel, act_stride, terms, pixels, weights, n, ahead, acc);
      else
        TransposedBlock<T, kM, kN, false>(pixel, act_stride, terms, pixels, weights, n, ahead, acc);
    }
    weights += terms * kM;
  }
  return weights;
}

template <class T, int kM, int kN>
PYCONV_INLINE void SetZero(V<T> (&sum)[kM][kN]) {
#pragma GCC unroll 14
  for (int m = 0; m < kM; ++m)
#pragma GCC unroll 12
    for (int n = 0; n < kN; ++n) sum[m][n] = Zero<T>();
}

// Not inlined: beside the loop over tiles its loop over runs spills twice as much (docs/decisions/0030).
template <class T, int kM, int kN, TileKind kKind, bool kTail, Ask kAsk>
__attribute__((noinline)) void RunTile(const TileArgs<T>& args, const T* first_act, Index first_out,
                                       const AskRows<T>* asked) {
  V<T> sum[kM][kN];
  V<T> total[kM][kN];  // spilled between chains: two memory operations per ~512 FMAs
  const T* weights = args.weights;
  constexpr Index kWidth = kKind == TileKind::kOcVector ? kN * kLanes<T> : kM;
  AskRows<T> ask = kAsk == Ask::kNothing ? AskRows<T>{} : *asked;
  const bool first_is_total = !args.resume;
  for (Index chain = 0; chain < args.chains; ++chain) {
    const bool last = chain + 1 == args.chains;
    const bool apart = kKind == TileKind::kOcVector && last && args.last_chain.act;
    const Index length = last ? args.last_run_length : args.run_length;
    const T* act = apart ? args.last_chain.act : first_act + chain * args.chain_step;
    const Index act_stride = apart ? args.last_chain.act_stride : args.act_stride;
    const Index row_bytes = Opaque(act_stride * static_cast<Index>(sizeof(T)));
    SetZero<T, kM, kN>(sum);
    const T* const chain_weights = args.weights + chain * args.packed_runs * args.run_length * kWidth;
    const Index* offset = apart ? args.last_chain.run_offset : args.run_offset;
    const Index* index = args.run_index;
    for (Index runs = args.runs; runs > 0; runs = Opaque(runs - 1), ++offset) {
      if (index) weights = chain_weights + *index++ * length * kWidth;
      if constexpr (kKind == TileKind::kOcVector)
        weights = OcVectorRun<T, kM, kN, kAsk>(act + *offset, row_bytes, length, weights, sum, &ask);
      else if constexpr (kKind == TileKind::kTransposed)
        weights =
            TransposedRun<T, kM, kN>(act + *offset, args.act_stride, length, args.n_valid, weights, sum);
      else
        weights = PixelVectorRun<T, kM, kN, kTail>(act + *offset, args.act_stride, length, args.n_valid,
                                                   args.runs == 1, weights, sum);
    }
    if (chain > 0 || !first_is_total) {
      const T* before = chain > 0 ? reinterpret_cast<const T*>(&total[0][0]) : args.carry;
#pragma GCC unroll 14
      for (int m = 0; m < kM; ++m)
#pragma GCC unroll 12
        for (int n = 0; n < kN; ++n) sum[m][n] = LoadU(before + (m * kN + n) * kLanes<T>) + sum[m][n];
    }
    if (chain + 1 < args.chains || !args.finish) {
      T* after = chain + 1 < args.chains ? reinterpret_cast<T*>(&total[0][0]) : args.carry;
#pragma GCC unroll 14
      for (int m = 0; m < kM; ++m)
#pragma GCC unroll 12
        for (int n = 0; n < kN; ++n) StoreU<T>(sum[m][n], after + (m * kN + n) * kLanes<T>);
    }
  }
  if (!args.finish) return;
#pragma GCC unroll 12
  for (int n = 0; n < kN; ++n) {
    const Index valid = args.n_valid - n * kLanes<T>;
    V<T> bias = Zero<T>();
    if (kKind == TileKind::kOcVector && args.bias)
      bias = PositiveZero<T>(valid >= kLanes<T> ? LoadU(args.bias + n * kLanes<T>)
                                                : LoadN(args.bias + n * kLanes<T>, valid));
#pragma GCC unroll 14
    for (int m = 0; m < kM; ++m) {
      if (kKind != TileKind::kOcVector && args.bias) bias = PositiveZero<T>(Set(args.bias[m]));
      sum[m][n] = sum[m][n] + bias;
    }
  }
  Finish<T, kM, kN>(args, sum, first_out);
}

// The terms of a tile's only run, and between them what TileArgs::ahead says: all at once it keeps a core
// waiting, which has 16 lines on their way to L1.
template <class T, int kM, int kN>
PYCONV_INLINE void AskingTerms(const TileArgs<T>& args, const T* act, const T* next_out, const T* next_act,
                               V<T> (&sum)[kM][kN]) {
  const Index length = args.last_run_length, act_stride = args.act_stride, ask_step = args.ahead.step;
  const Index out_every = length < kM ? 1 : length / kM, out_step = args.out_m_stride;
  const Index rows = args.ahead.rows, act_every = rows == 0 || length < rows ? 1 : length / rows;
  const T* weights = args.weights;
  Index out_rows = kM, until_out = 1, until_act = 1;
  for (const T* const end = weights + length * kM; weights != end;
       act += act_stride, weights = Opaque(weights + kM)) {
    V<T> x[kN];
#pragma GCC unroll 4
    for (int n = 0; n < kN; ++n) x[n] = LoadU(act + n * kLanes<T>);
    if (--until_out == 0 && out_rows > 0) {
      AskForVectors<T, kN, 1, 3>(next_out);
      next_out += out_step;
      --out_rows;
      until_out = out_every;
    }
    if (rows == 0) {
      AskForVectors<T, kN, 0, 3>(act + kN * kLanes<T>);
    } else if (--until_act == 0) {
      AskForVectors<T, kN, 0, 2>(next_act);
      next_act += ask_step;
      until_act = act_every;
    }
    AccumulatePixels<T, kM, kN>(x, weights, sum);
  }
}

// A tile as most are, with half of what RunTile has to do around its sums: one chain of all runs, whole
// vectors that lie side by side, no residual.
template <class T, int kN>
PYCONV_INLINE bool IsPlain(const TileArgs<T>& args) {
  return args.chains == 1 && args.finish && !args.resume && !args.run_index && !args.residual &&
         args.out_n_stride == 1 && args.n_valid == kN * kLanes<T>;
}
template <class T, int kM, int kN, TileKind kKind, Ask kAsk>
__attribute__((noinline)) void PlainTile(const TileArgs<T>& args, const T* act, T* out,
                                         const AskRows<T>* asked, const T* next_act) {
  constexpr bool kOc = kKind == TileKind::kOcVector;
  V<T> sum[kM][kN];
  SetZero<T, kM, kN>(sum);
  AskRows<T> ask = kAsk == Ask::kNothing ? AskRows<T>{} : *asked;
  constexpr bool kAsksForPixels = !kOc && kAsk != Ask::kNothing;
  if constexpr (kAsksForPixels) AskingTerms<T, kM, kN>(args, act, ask.next, next_act, sum);
  const Index row_bytes = Opaque(args.act_stride * static_cast<Index>(sizeof(T)));
  const T* weights = args.weights;
  const Index* offset = args.run_offset;
  for (Index runs = kAsksForPixels ? 0 : args.runs; runs > 0; runs = Opaque(runs - 1), ++offset)
    if constexpr (kOc)
      weights =
          OcVectorRun<T, kM, kN, kAsk>(act + *offset, row_bytes, args.last_run_length, weights, sum, &ask);
    else
      weights = PixelVectorTerms<T, kM, kN, false, false>(act + *offset, args.act_stride,
                                                          args.last_run_length, args.n_valid, weights, sum);
#pragma GCC unroll 14
  for (int m = 0; m < kM; ++m) {
#pragma GCC unroll 12
    for (int n = 0; n < kN; ++n) {
      V<T> bias = Zero<T>();
      if (args.bias) bias = PositiveZero<T>(kOc ? LoadU(args.bias + n * kLanes<T>) : Set(args.bias[m]));
      sum[m][n] = sum[m][n] + bias;
    }
  }
  if (args.clamped) ClampAll<T, kM, kN>(args, sum);
#pragma GCC unroll 14
  for (int m = 0; m < kM; ++m, out = Opaque(out + args.out_m_stride))
#pragma GCC unroll 12
    for (int n = 0; n < kN; ++n) StoreU<T>(sum[m][n], out + n * kLanes<T>);
}

// What tile number `tile` of a call asks for of ahead.weights.
template <class T, int kN>
PYCONV_INLINE AskRows<T> NextWeights(const TileArgs<T>& args, Index tile) {
  if (!args.ahead.weights) return {};
  const Index rows = args.ahead.weight_rows, step = kN * kLanes<T>;
  return {args.ahead.weights + tile * rows * step, step, rows, 2};
}

// Short sums are over before a line that is asked for has come: of all tiles but the first one the lines are
// asked for while the tile before is computed.
template <class T, int kM, int kN, TileKind kKind, bool kTail>
PYCONV_INLINE void RunTiles(const TileArgs<T>& args) {
  constexpr bool kOc = kKind == TileKind::kOcVector;
  const Index pixels = kOc ? kM : args.n_valid;
  const Index act_step = pixels * (kOc ? args.act_stride : 1);
  const Index out_step = pixels * (kOc ? args.out_m_stride : args.out_n_stride);
  constexpr bool kHasPlain = kM * kN >= 8 && kM >= 4 && !kTail;
  // The tiles that layers larger than an L2 of more than 1 MB are cut into, with the vectors of such cores:
  // each one more is compiled.
  constexpr bool kMayAsk =
      kHasPlain && kVectorBytes == 64 &&
      (kOc ? sizeof(T) == 4 && kN > 1 && kM * kN >= 16 : kM > 4 && kN > 1 && kN <= kPixelVectors<T>);
  // Tiles of large weights have two vectors. Their sums are long: nothing is gained by a plain tile that
  // asks.
  constexpr Ask kAsk = kHasPlain && kOc && kN == 2 ? Ask::kWeights : Ask::kNothing;
  const bool plain = kHasPlain && !args.ahead.weights && IsPlain<T, kN>(args);
  const bool asks = kMayAsk && plain && args.ahead.out != nullptr;
  if (args.finish && !asks) PrefetchOutput<T, kM, kN>(args, 0);
  const T* act = args.act;
  Index out = 0;
  for (Index left = args.tiles; left > 0; --left, act += act_step, out += out_step) {
    T* const out_here = args.out + out;
    if constexpr (kMayAsk) {
      if (asks) {
        const Index terms = args.runs * args.last_run_length;
        const AskRows<T> ask{left > 1 ? out_here + out_step : args.ahead.out, args.out_m_stride, kM,
                             kTermsAtOnce * kM / (terms > 0 ? terms : 1) + 1};
        PlainTile<T, kM, kN, kKind, Ask::kOutput>(args, act, out_here, &ask,
                                                  kOc ? nullptr : args.ahead.act + out);
        continue;
      }
    }
    if (left > 1) PrefetchOutput<T, kM, kN>(args, out + out_step);
    if constexpr (kHasPlain) {
      if (plain) {
        PlainTile<T, kM, kN, kKind, Ask::kNothing>(args, act, out_here, nullptr, nullptr);
        continue;
      }
    }
    const AskRows<T> ask = NextWeights<T, kN>(args, args.tiles - left);
    RunTile<T, kM, kN, kKind, kTail, kAsk>(args, act, out, &ask);
  }
}

template <class T, int kM, int kN>
void OcVectorTile(const TileArgs<T>& args) {
  RunTiles<T, kM, kN, TileKind::kOcVector, false>(args);
}

template <class T, int kM, int kN>
void PixelVectorTile(const TileArgs<T>& args) {
  if (args.n_valid == kN * kLanes<T>)
    RunTiles<T, kM, kN, TileKind::kPixelVector, false>(args);
  else
    RunTiles<T, kM, kN, TileKind::kPixelVector, true>(args);
}

// A row of tiles of one vector.
template <class T, int kM>
void TransposedTiles(const TileArgs<T>& args) {
  TileArgs<T> tile = args;
  for (Index left = args.n_valid; left > 0; left -= kLanes<T>) {
    if (args.finish) PrefetchOutput<T, kM, 1>(tile, 0);
    tile.n_valid = left < kLanes<T> ? left : kLanes<T>;
    RunTile<T, kM, 1, TileKind::kTransposed, true, Ask::kNothing>(tile, tile.act, 0, nullptr);
    tile.act += kLanes<T> * args.act_stride;
    tile.out += kLanes<T> * args.out_n_stride;
    if (tile.residual) tile.residual += kLanes<T> * args.out_n_stride;
    tile.carry += kM * kLanes<T>;
  }
}

// Tile sizes: accumulators + n loaded vectors + 1 broadcast must fit the register file.
template <class T>
struct TileSizes {
  static constexpr int kOcRows = kRegisters == 32 ? (kVectorBytes == 64 ? 14 : 6) : 6;
  static constexpr int kOcVectors = kRegisters == 32 && kVectorBytes == 16 ? 4 : 2;
  // One vector of channels: six rows are too few sums for two FMAs a cycle of four cycles each.
  static constexpr int kOneVectorRows = kRegisters == 32 ? 14 : 12;
  // Three and four vectors of channels, 0 where there are no tiles of them: a load for every 2.2 and 2.4 FMAs
  // instead of 1.75 (docs/decisions/0036-loads-for-each-sum.md).
  static constexpr int kThreeVectorRows = kRegisters == 32 && kVectorBytes == 64 ? 8 : 0;
  static constexpr int kFourVectorRows = kRegisters == 32 && kVectorBytes == 64 ? 6 : 0;
  static constexpr int kPixelRows = kRegisters == 32 ? 8 : 4;
  // Few output channels: wide tiles read long pieces of each row of memory, which is all there is to do.
  static constexpr int kWideRows = 2;
  static constexpr int kWide = kRegisters == 32 ? 24 : kRegisters == 16 && kVectorBytes == 32 ? 12 : 0;
};

template <class T, TileKind kKind, int kM, int kN>
constexpr TileFn<T> TilePointer() {
  if constexpr (kKind == TileKind::kOcVector)
    return &OcVectorTile<T, kM, kN>;
  else if constexpr (kKind == TileKind::kTransposed)
    return &TransposedTiles<T, kM>;
  else
    return &PixelVectorTile<T, kM, kN>;
}

// Vectors of the widest tile of kM rows; kColumns are those of any.
template <class T, TileKind kKind, int kM, int kColumns>
constexpr int Widest() {
  if (kKind == TileKind::kOcVector)
    return kM <= TileSizes<T>::kFourVectorRows ? 4 : kM <= TileSizes<T>::kThreeVectorRows ? 3 : kColumns;
  if (kKind != TileKind::kPixelVector || kM > TileSizes<T>::kWideRows) return kColumns;
  const int wide = TileSizes<T>::kWide / kM;
  return wide > kMaxWideVectors ? kMaxWideVectors : wide > kColumns ? wide : kColumns;
}
template <class T, TileKind kKind, int kM, int kN, int kColumns>
constexpr void FillRow(TileSet<T>& set) {
  set.tile[kM][kN] = TilePointer<T, kKind, kM, kN>();
  if constexpr (kN < Widest<T, kKind, kM, kColumns>()) FillRow<T, kKind, kM, kN + 1, kColumns>(set);
}
template <class T, TileKind kKind, int kM, int kRows, int kColumns>
constexpr void FillRows(TileSet<T>& set) {
  constexpr int kTallest = kKind == TileKind::kOcVector ? TileSizes<T>::kOneVectorRows : kRows;
  FillRow<T, kKind, kM, 1, kM <= kRows ? kColumns : 1>(set);
  if constexpr (kM < kTallest) FillRows<T, kKind, kM + 1, kRows, kColumns>(set);
}
template <class T, TileKind kKind, int kRows, int kColumns>
constexpr TileSet<T> MakeTileSet() {
  TileSet<T> set{};
  set.max_rows = kRows;
  set.max_vectors = kColumns;
  FillRows<T, kKind, 1, kRows, kColumns>(set);
  return set;
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
