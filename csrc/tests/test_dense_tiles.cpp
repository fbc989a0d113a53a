// Every tile of every compiled kernel table against a scalar loop, bit for bit: tail widths, all three
// stores, one and many chains, sums continued through `carry`, bias, residual, clamp and NaN.
#include <numeric>
#include <string>

#include "core/check.h"
#include "doctest/doctest.h"
#include "tests/kernel_support.h"

using namespace pyconv;
using namespace pyconv_tests;

namespace {

enum class Store { kRows, kColumns, kScattered };

// One call of a tile, apart from its shape.
struct TileCase {
  Index runs, run_length, last_run_length, chains;
  bool bias, residual, resume, finish;
  double lo, hi;
};

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr TileCase kCases[] = {
    // runs, run_length, last, chains, bias, residual, resume, finish, lo, hi
    {1, 1, 1, 1, false, false, false, true, -kInf, kInf},
    {1, 4, 4, 1, true, false, false, true, -kInf, kInf},
    {3, 5, 5, 1, false, true, false, true, -kInf, kInf},
    {2, 7, 3, 2, true, true, false, true, -kInf, kInf},
    {3, 2, 1, 4, true, false, false, true, 0, kInf},
    {1, 9, 9, 2, false, true, true, true, -0.25, 0.25},
    {2, 6, 6, 1, true, true, true, true, 0, 0.5},
    {2, 3, 2, 3, false, false, false, false, -kInf, kInf},
    {1, 3, 3, 1, false, false, true, false, -kInf, kInf},
    {2, 37, 21, 2, true, false, false, true, -kInf, kInf},
};

template <class T>
struct TileShape {
  TileKind kind;
  int rows, vectors, lanes;
  TileFn<T> run;
  bool fused;
  Index width() const { return static_cast<Index>(vectors) * lanes; }
  Index packed_per_k() const { return kind == TileKind::kOcVector ? width() : rows; }
  Index carry_at(Index m, Index n) const {
    if (kind != TileKind::kTransposed) return m * width() + n;
    return n / lanes * lanes * rows + m * lanes + n % lanes;
  }
  Index biases(Index n_valid) const { return kind == TileKind::kOcVector ? n_valid : rows; }
};

// Offsets of the runs are uneven, as those of kernel rows in a strided image are.
Index run_offset(Index run) { return run * 11 + (run > 1 ? 5 : 0); }

template <class T>
T multiply_add(T a, T b, T c, bool fused) {
  return fused ? std::fma(a, b, c) : a * b + c;
}

// The contract of TileArgs, written as the sum it describes: element (m, n) before bias.
template <class T>
T expected_sum(const TileShape<T>& shape, const TileArgs<T>& args, Index m, Index n) {
  T total = args.resume ? args.carry[shape.carry_at(m, n)] : T(0);
  const T* weights = args.weights;
  for (Index chain = 0; chain < args.chains; ++chain) {
    const Index length = chain + 1 == args.chains ? args.last_run_length : args.run_length;
    T sum = 0;
    for (Index run = 0; run < args.runs; ++run) {
      const bool apart = chain + 1 == args.chains && args.last_chain.act;
      const T* act = apart ? args.last_chain.act + args.last_chain.run_offset[run]
                           : args.act + chain * args.chain_step + args.run_offset[run];
      const Index act_stride = apart ? args.last_chain.act_stride : args.act_stride;
      if (args.run_index)
        weights = args.weights + (chain * args.packed_runs * args.run_length + args.run_index[run] * length) *
                                     shape.packed_per_k();
      for (Index k = 0; k < length; ++k, weights += shape.packed_per_k()) {
        const bool by_channel = shape.kind == TileKind::kOcVector;
        const Index pixel = by_channel ? m : n;
        const T a = channels_inner(shape.kind) ? act[pixel * act_stride + k] : act[pixel + k * act_stride];
        sum = multiply_add(a, weights[by_channel ? n : m], sum, shape.fused);
      }
    }
    total = chain == 0 && !args.resume ? sum : total + sum;
  }
  return total;
}

template <class T>
T expected_output(const TileShape<T>& shape, const TileArgs<T>& args, Index m, Index n) {
  T value = expected_sum(shape, args, m, n);
  const T bias = args.bias ? args.bias[shape.kind == TileKind::kOcVector ? n : m] : T(0);
  value = value + (bias + T(0));  // neither -0 stays
  if (args.residual) value = value + args.residual[m * args.out_m_stride + n * args.out_n_stride];
  if (args.lo > value) value = args.lo;
  if (args.hi < value) value = args.hi;
  return value;
}

template <class T>
class TileCheck {
 public:
  TileCheck(const TileShape<T>& shape, const TileCase& test, Store store, Index n_valid, Index tiles,
            GuardAt guard)
      : shape_(shape),
        test_(test),
        n_valid_(n_valid),
        tiles_(tiles),
        all_m_(by_channel() ? tiles * shape.rows : shape.rows),
        all_n_(by_channel() ? n_valid : tiles * n_valid),
        m_stride_(store == Store::kColumns ? 1
                  : store == Store::kRows  ? all_n_ + 3
                                           : 2),
        n_stride_(store == Store::kRows      ? 1
                  : store == Store::kColumns ? all_m_ + 2
                                             : 2 * all_m_ + 1),
        k_stride_(channels_inner(shape.kind) ? 13 : all_n_ + 1),
        act_(act_count(), guard),
        weights_((test.chains - 1) * test.runs * test.run_length * shape.packed_per_k() +
                     test.runs * test.last_run_length * shape.packed_per_k(),
                 guard),
        bias_(shape.biases(n_valid), guard),
        carry_(shape.rows * shape.width(), guard),
        out_(out_count(), guard),
        residual_(out_count(), guard) {
    for (Index run = 0; run < test.runs; ++run) offsets_.push_back(run_offset(run));
    rng_.seed(static_cast<unsigned>(n_valid * 31 + test.runs * 7 + shape.rows));
    for (const GuardedBuffer<T>* buffer : {&act_, &weights_, &bias_, &carry_, &residual_})
      buffer->fill_random(rng_);
  }

  // "" or what went wrong.
  std::string run() {
    std::string wrong = run(arguments());
    if (wrong.empty() && test_.runs > 1) wrong = run(arguments_but_the_first_run());
    if (wrong.empty() && test_.finish) wrong = run(arguments_asking_for_weights());
    if (wrong.empty() && by_channel() && tiles_ == 1 && test_.chains > 1)
      wrong = run(arguments_of_a_closer_last_chain());
    if (wrong.empty() && test_.finish && (by_channel() || test_.runs == 1))
      wrong = run(arguments_asking_for_output());
    return wrong;
  }

 private:
  std::string run(const TileArgs<T>& args) {
    std::vector<T> expected(static_cast<std::size_t>(all_m_ * all_n_));
    for (Index m = 0; m < all_m_; ++m)
      for (Index n = 0; n < all_n_; ++n)
        expected[m * all_n_ + n] =
            test_.finish ? expected_output(shape_, args, m, n) : expected_sum(shape_, args, m, n);
    shape_.run(args);
    for (Index m = 0; m < all_m_; ++m) {
      for (Index n = 0; n < all_n_; ++n) {
        T& actual = test_.finish ? out_[m * m_stride_ + n * n_stride_] : carry_[shape_.carry_at(m, n)];
        if (!same_bits(actual, expected[m * all_n_ + n]))
          return concat("element (", m, ", ", n, "): ", actual, " instead of ", expected[m * all_n_ + n]);
        actual = std::numeric_limits<T>::quiet_NaN();
      }
    }
    for (Index i = 0; i < out_.size(); ++i)
      if (!std::isnan(out_[i])) return concat("out[", i, "] is not the tile's, and was written");
    for (const GuardedBuffer<T>* buffer : {&act_, &weights_, &bias_, &carry_, &out_, &residual_})
      if (!buffer->canaries_intact()) return "wrote outside a buffer";
    return "";
  }

  TileArgs<T> arguments_of_a_closer_last_chain() {
    TileArgs<T> args = arguments();
    carry_.fill_random(rng_);
    closer_.clear();
    for (Index offset : offsets_) closer_.push_back(offset / 2);
    args.last_chain = {act_.data(), k_stride_ - 3, closer_.data()};
    return args;
  }

  // What is asked for decides nothing but time.
  TileArgs<T> arguments_asking_for_weights() {
    TileArgs<T> args = arguments();
    carry_.fill_random(rng_);
    args.ahead.weights = weights_.data();
    args.ahead.weight_rows = 3;
    return args;
  }
  TileArgs<T> arguments_asking_for_output() {
    TileArgs<T> args = arguments();
    carry_.fill_random(rng_);
    args.ahead.out = out_.data();
    args.ahead.act = act_.data();
    args.ahead.rows = 2;
    args.ahead.step = k_stride_;
    return args;
  }

  // As where the first run's taps lie in padding; its weights are packed all the same.
  TileArgs<T> arguments_but_the_first_run() {
    TileArgs<T> args = arguments();
    carry_.fill_random(rng_);
    run_index_.resize(static_cast<std::size_t>(test_.runs - 1));
    std::iota(run_index_.begin(), run_index_.end(), Index(1));
    args.run_offset = offsets_.data() + 1;
    args.runs = test_.runs - 1;
    args.run_index = run_index_.data();
    args.packed_runs = test_.runs;
    return args;
  }

  Index act_count() const {
    const Index last_k =
        (test_.chains > 1 ? max_of(test_.run_length, test_.last_run_length) : test_.last_run_length) - 1;
    const Index last = (test_.chains - 1) * kChainStep + run_offset(test_.runs - 1);
    return last + 1 +
           (channels_inner(shape_.kind) ? (pixels() - 1) * k_stride_ + last_k
                                        : pixels() - 1 + last_k * k_stride_);
  }
  bool by_channel() const { return shape_.kind == TileKind::kOcVector; }
  Index pixels() const { return by_channel() ? all_m_ : all_n_; }
  Index out_count() const { return (all_m_ - 1) * m_stride_ + (all_n_ - 1) * n_stride_ + 1; }
  TileArgs<T> arguments() {
    TileArgs<T> args{};
    args.act = act_.data();
    args.act_stride = k_stride_;
    args.run_offset = offsets_.data();
    args.runs = test_.runs;
    args.run_length = test_.run_length;
    args.last_run_length = test_.last_run_length;
    args.chains = test_.chains;
    args.chain_step = kChainStep;
    args.weights = weights_.data();
    args.out = out_.data();
    args.out_m_stride = m_stride_;
    args.out_n_stride = n_stride_;
    args.n_valid = n_valid_;
    args.bias = test_.bias ? bias_.data() : nullptr;
    args.residual = test_.residual ? residual_.data() : nullptr;
    args.lo = static_cast<T>(test_.lo);
    args.hi = static_cast<T>(test_.hi);
    args.clamped = test_.lo > -kInf || test_.hi < kInf;
    args.carry = carry_.data();
    args.resume = test_.resume;
    args.finish = test_.finish;
    args.tiles = tiles_;
    return args;
  }

  static constexpr Index kChainStep = 17;

  const TileShape<T> shape_;
  const TileCase test_;
  const Index n_valid_, tiles_, all_m_, all_n_, m_stride_, n_stride_, k_stride_;
  GuardedBuffer<T> act_, weights_, bias_, carry_, out_, residual_;
  std::vector<Index> offsets_, closer_, run_index_;
  std::mt19937 rng_;
};

template <class T>
void check_tile(const TileShape<T>& shape) {
  const Index full = shape.width(), least = full - shape.lanes + 1;
  for (Index n_valid : {least, full - 1, full}) {
    if (n_valid < least) continue;  // one lane: full - 1 belongs to a narrower tile
    for (const TileCase& test : kCases) {
      for (Store store : {Store::kRows, Store::kColumns, Store::kScattered}) {
        const GuardAt guard = (n_valid + test.runs) % 2 == 0 ? GuardAt::kBegin : GuardAt::kEnd;
        const bool alone = test.resume || !test.finish || shape.kind == TileKind::kTransposed;
        for (Index tiles : {1, 3}) {
          if (tiles > 1 && alone) continue;
          const std::string wrong = TileCheck<T>(shape, test, store, n_valid, tiles, guard).run();
          if (wrong.empty()) continue;
          FAIL_CHECK("tile " << shape.rows << "x" << shape.vectors << " n_valid " << n_valid << " case "
                             << (&test - kCases) << " store " << static_cast<int>(store) << " tiles " << tiles
                             << ": " << wrong);
        }
      }
    }
  }
}

template <class T>
void check_tiles(const KernelTable& table) {
  const DenseKernels<T>& dense = dense_kernels<T>(table);
  for (TileKind kind : {TileKind::kOcVector, TileKind::kPixelVector, TileKind::kTransposed}) {
    const TileSet<T>& set = dense.tiles(kind);
    REQUIRE(set.max_rows >= 1);
    REQUIRE(set.max_rows <= kMaxTileRows);
    REQUIRE(set.max_vectors <= kMaxWideVectors);
    for (int rows = 1; rows <= kMaxTileRows; ++rows) {
      for (int vectors = 1; vectors <= kMaxWideVectors; ++vectors) {
        const TileFn<T> tile = set.tile[rows][vectors];
        if (rows <= set.max_rows && vectors <= set.max_vectors) REQUIRE(static_cast<bool>(tile));
        if (tile) check_tile<T>({kind, rows, vectors, dense.lanes, tile, table.fused});
      }
    }
    for (int vectors = 1; vectors <= set.widest(1); ++vectors) {
      const Index rows = set.tallest(vectors);
      CHECK(static_cast<bool>(set.tile[rows][vectors]));
      CHECK((rows == kMaxTileRows || !set.tile[rows + 1][vectors]));
    }
  }
}

}  // namespace

TEST_CASE("every dense tile equals the scalar loop, bit for bit") {
  for (const KernelTable* table : runnable_tables()) {
    CAPTURE(table->name);
    check_tiles<float>(*table);
    check_tiles<double>(*table);
  }
}

TEST_CASE("a NaN comes through the clamp, an infinity is clamped") {
  for (const KernelTable* table : runnable_tables()) {
    CAPTURE(table->name);
    const DenseKernels<float>& dense = table->dense_f32;
    const Index no_offset = 0;
    const float act[2] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()};
    std::vector<float> weights(static_cast<std::size_t>(dense.lanes), 1.0f);
    for (Index n_stride : {1, 2, 3}) {  // rows, columns, scattered
      std::vector<float> out(static_cast<std::size_t>(3 * dense.lanes + 3), -7.0f);
      TileArgs<float> args{};
      args.act = act;
      args.act_stride = 1;
      args.run_offset = &no_offset;
      args.runs = args.run_length = args.last_run_length = args.chains = 1;
      args.weights = weights.data();
      args.out = out.data();
      args.out_n_stride = n_stride;
      args.out_m_stride = n_stride == 1 ? dense.lanes : n_stride == 2 ? 1 : 2;
      args.n_valid = 1;
      args.lo = 0;
      args.hi = 6;
      args.clamped = true;
      args.finish = true;
      dense.oc_vector.tile[2][1](args);
      CHECK(std::isnan(out[0]));
      CHECK(out[static_cast<std::size_t>(args.out_m_stride)] == 6.0f);
    }
  }
}
