// Writing and reading problem strings, shared by ConvProblem and PoolProblem. A field is a letter (or
// letters) and numbers: "h56", "p1x2" (per dimension), "p0:1" (begin:end). Flags follow, each after an
// underscore.
#pragma once

#include <sstream>
#include <string>

#include "core/types.h"

namespace pyconv {

inline const char* dim_name(int dim) { return dim == kD ? "d" : dim == kH ? "h" : "w"; }

// The shortest text that reads back as the same double.
std::string exact_text(double value);

class ProblemWriter {
 public:
  explicit ProblemWriter(int rank) : rank_(rank) {}
  ProblemWriter& number(const char* key, Index value);
  ProblemWriter& dims(const char* d, const char* h, const char* w, const Spatial& value);
  ProblemWriter& repeated(const char* key, const Spatial& value, Index skip_if_all);
  ProblemWriter& pads(const char* key, const Spatial& begin, const Spatial& end);
  ProblemWriter& separator();
  ProblemWriter& word(const char* text);  // part of a field: "max" in "_maxr3s3"
  ProblemWriter& flag(const std::string& word);
  std::string str() const { return text_.str(); }

 private:
  int rank_;
  std::ostringstream text_;
};

class ProblemReader {
 public:
  explicit ProblemReader(const std::string& text) : text_(text) {}
  Index number(const char* key);
  Index number(const char* key, Index if_absent);
  // Reads the dimensions present and returns how many (1..3); with `rank` exactly those.
  int dims(const char* d, const char* h, const char* w, Spatial* value, int rank = 0);
  void repeated(const char* key, int rank, Spatial* value);
  void pads(const char* key, int rank, Spatial* begin, Spatial* end);
  void separator();
  bool word(const char* text);
  bool flag(std::string* word);
  double real(const std::string& word) const;

 private:
  bool take(const char* key);
  Index integer();
  [[noreturn]] void fail(const std::string& why) const;

  std::string text_;
  std::size_t at_ = 0;
};

}  // namespace pyconv
