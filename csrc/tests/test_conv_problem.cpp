// ConvProblem: output sizes, refusals with the rule and both values, problem strings there and back.
#include <string>

#include "core/check.h"
#include "doctest/doctest.h"
#include "problem/conv_problem.h"

using namespace pyconv;

namespace {

ConvSpec small_spec() {
  ConvSpec spec;
  spec.in_ch = 4;
  spec.out_ch = 6;
  spec.in = Spatial{{1, 8, 9}};
  spec.kernel = Spatial{{1, 3, 4}};
  return spec;
}

// The message of the refusal, "" if there is none.
std::string refusal(const ConvSpec& spec) {
  try {
    (void)ConvProblem(spec);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "";
}

std::string parse_refusal(const std::string& text) {
  try {
    (void)ConvProblem::parse(text);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("output sizes follow floor((in + pads - window) / stride) + 1") {
  for (Index in = 1; in <= 9; ++in)
    for (Index kernel = 1; kernel <= 4; ++kernel)
      for (Index stride = 1; stride <= 4; ++stride)
        for (Index dilation = 1; dilation <= 3; ++dilation)
          for (Index pad = 0; pad <= 3; ++pad) {
            const Index window = dilation * (kernel - 1) + 1;
            if (window > in + pad) continue;
            ConvSpec spec;
            spec.in[kW] = in;
            spec.kernel[kW] = kernel;
            spec.stride[kW] = stride;
            spec.dilation[kW] = dilation;
            spec.pad_end[kW] = pad;
            Index count = 0;  // how many windows fit, counted
            for (Index at = 0; at + window <= in + pad; at += stride) ++count;
            CHECK(ConvProblem(spec).out[kW] == count);
          }
}

TEST_CASE("flops_inside leaves out exactly the products with zero padding") {
  for (const std::string text :
       {"n2c3h9w11_k4r3s5p1x2", "c4h5w40_k6r3s3p24l24", "c4h7w8_k4r2s4p2x3u3x2l2x3g2", "c2h4w4_k2r3s3",
        "c2d5h6w7_k4t3r1s2p2x0x1u2x1x3", "c1w3_k1s9p8u5", "c2h6w6_k2r3s3p1_f32_reflect"}) {
    CAPTURE(text);
    const ConvProblem p = ConvProblem::parse(text);
    double inside = 2.0 * static_cast<double>(p.batch * p.out_ch * p.in_ch_per_group());
    for (int dim = kD; dim <= kW; ++dim) {
      Index taps = 0;
      for (Index o = 0; o < p.out[dim]; ++o)
        taps +=
            p.pads_zeros() ? p.taps_inside(dim, o * p.stride[dim] - p.pad_begin[dim]).count() : p.kernel[dim];
      inside *= static_cast<double>(taps);
    }
    CHECK(p.flops_inside() == doctest::Approx(inside).epsilon(1e-12));
  }
}

TEST_CASE("a refusal states the rule and both values") {
  struct Row {
    const char* rule;
    const char* first;
    const char* second;
    void (*spoil)(ConvSpec&);
  };
  const Row rows[] = {
      {"in_channels must be divisible by groups", "4", "3", [](ConvSpec& s) { s.groups = 3; }},
      {"out_channels must be divisible by groups", "6", "4", [](ConvSpec& s) { s.groups = 4; }},
      {"groups must be at least 1", "0", "", [](ConvSpec& s) { s.groups = 0; }},
      {"kernel must fit into the padded input", "height = floor(", "spans 9 elements, the padded input has 8",
       [](ConvSpec& s) { s.kernel[kH] = 9; }},
      {"kernel must fit into the padded input", "width  = floor(", "(9 + 0 + 0 - 3 * (4 - 1) - 1) / 1",
       [](ConvSpec& s) { s.dilation[kW] = 3; }},
      {"kernel size must be at least 1", "0", "h", [](ConvSpec& s) { s.kernel[kH] = 0; }},
      {"stride must be at least 1", "-2", "w", [](ConvSpec& s) { s.stride[kW] = -2; }},
      {"dilation must be at least 1", "-1", "h", [](ConvSpec& s) { s.dilation[kH] = -1; }},
      {"padding must not be negative", "-1", "h", [](ConvSpec& s) { s.pad_begin[kH] = -1; }},
      {"sizes must not be negative", "-5", "", [](ConvSpec& s) { s.batch = -5; }},
      {"padding < input size", "8", "8",
       [](ConvSpec& s) { s.pad_mode = PadMode::kReflect, s.pad_end[kH] = 8; }},
      {"padding <= input size", "10", "9",
       [](ConvSpec& s) { s.pad_mode = PadMode::kCircular, s.pad_begin[kW] = 10; }},
      {"non-empty input", "2", "0",
       [](ConvSpec& s) {
         s.pad_mode = PadMode::kReplicate, s.in[kH] = 0, s.pad_begin[kH] = 2, s.kernel[kH] = 1;
       }},
      {"overflows 64 bits", "4611686018427387904", "4611686018427387904",
       [](ConvSpec& s) { s.pad_begin[kH] = s.pad_end[kH] = Index{1} << 62; }},
      {"overflows 64 bits", "4611686018427387904", "3", [](ConvSpec& s) { s.dilation[kW] = Index{1} << 62; }},
      {"number of input elements overflows 64 bits", "4294967296", "",
       [](ConvSpec& s) { s.batch = Index{1} << 32, s.in_ch = Index{1} << 32; }},
      {"number of output elements overflows 64 bits", "", "",
       [](ConvSpec& s) { s.pad_end[kH] = s.pad_end[kW] = Index{1} << 31, s.out_ch = 6 << 20; }},
      {"size in bytes overflows 64 bits", "", "16",
       [](ConvSpec& s) { s.pad_end[kH] = Index{1} << 40, s.pad_end[kW] = Index{1} << 17; }},
      {"1 to 3 spatial dimensions", "4", "", [](ConvSpec& s) { s.rank = 4; }},
  };
  CHECK(refusal(small_spec()) == "");
  for (const Row& row : rows) {
    ConvSpec spec = small_spec();
    row.spoil(spec);
    const std::string message = refusal(spec);
    CAPTURE(message);
    CHECK(has(message, row.rule));
    CHECK(has(message, row.first));
    CHECK(has(message, row.second));
  }
}

TEST_CASE("empty problems are problems") {
  ConvSpec spec = small_spec();
  spec.batch = 0;
  CHECK(ConvProblem(spec).out_elements() == 0);
  spec = small_spec();
  spec.in_ch = 0;
  CHECK(ConvProblem(spec).flops() == 0);
  spec = small_spec();
  spec.in[kH] = 0;
  spec.pad_begin[kH] = 3;
  CHECK(ConvProblem(spec).out[kH] == 1);
}

TEST_CASE("a problem string is read back to the same problem, and written back to the same string") {
  const char* texts[] = {
      "n1c64h56w56_k64r3s3p1_f32",
      "n2c8h7w5_k4r3s2p1x0u2x1l1x2g4_f64_bias_relu",
      "n0c1w11_k3s4_f32_residual",
      "n1c2d4h5w6_k2t3r2s1p0:1x2:0x0:0_f32_circular_relu6",
      "n3c1h9w9_k1r5s5p2_f32_reflect_bias_residual_clip-1.5:2.25",
      "n3c0h9w9_k0r1s1_f64_replicate",
      "n1c1w5_k1s3p2_f64_symmetric",
      "n1c1w5_k1s3p2_f32_value-0.30000000000000004",
      "n1c1w5_k1s3p1_f32_clip-inf:0.1",
  };
  for (const std::string text : texts) {
    CAPTURE(text);
    const ConvProblem problem = ConvProblem::parse(text);
    CHECK(problem.to_string() == text);
    CHECK(ConvProblem::parse(problem.to_string()) == problem);
  }
}

TEST_CASE("what a problem string leaves out has its default") {
  const ConvProblem problem = ConvProblem::parse("c3h8w8_k5r3s3");
  CHECK(problem.batch == 1);
  CHECK(problem.rank == 2);
  CHECK(problem.groups == 1);
  CHECK(problem.stride == spatial_of(1));
  CHECK(problem.dtype == DType::kFloat32);
  CHECK_FALSE(problem.is_padded());
  CHECK(problem.in[kD] == 1);
  CHECK(ConvProblem::parse("c3w8_k5s3").rank == 1);
  CHECK(ConvProblem::parse("c3d8h8w8_k5t3r3s3").rank == 3);
}

TEST_CASE("one_image asks the same question about a batch of one") {
  const ConvProblem problem = ConvProblem::parse("n5c3h8w8_k5r3s3_f32_bias");
  CHECK(problem.one_image() == ConvProblem::parse("n1c3h8w8_k5r3s3_f32_bias"));
  CHECK_FALSE(problem.one_image() == problem);
}

TEST_CASE("a wrong problem string is refused with its text and the position") {
  const char* texts[] = {
      "",
      "hello",
      "n1c64",
      "n1c64h56w56",
      "n1c64h56w56_",
      "n1c64h56w56_k64",
      "n1c64h56w56_k64s3",
      "n1c64w56_k64r3s3",
      "n1c64h56w56_k64r3s3_f16",
      "n1c64h56w56_k64r3s3p1x",
      "n1c64h56w56_k64r3s3p1:2",
      "n1c64h56w56_k64r3s3p0:1x",
      "n1c64h56w56_k64r3s3p0:1y0:1",
      "n1c64h56w56_k64r3s3u",
      "n1c64h56w56_k64r3s3_clip1",
      "n1c64h56w56_k64r3s3_clip2:1",
      "n1c64h56w56_k64r3s3_clipx:1",
      "n1c64h56w56_k64r3s3_valuenone",
      "n1c64h56w56_k64r3s3 ",
      "n99999999999999999999c1h3w3_k1r3s3",
  };
  for (const std::string text : texts) {
    CAPTURE(text);
    CHECK(parse_refusal(text) != "");
  }
  CHECK(has(parse_refusal("n1c64h56w56_k64r3s3_f16"), "f16"));
  CHECK(has(parse_refusal("n1c64w56_k64r3s3"), "n1c64w56_k64r3s3"));
}
