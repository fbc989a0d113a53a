#include "problem/problem_text.h"

#include <cctype>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "core/check.h"
#include "core/math.h"

namespace pyconv {

std::string exact_text(double value) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

ProblemWriter& ProblemWriter::number(const char* key, Index value) {
  text_ << key << value;
  return *this;
}

ProblemWriter& ProblemWriter::dims(const char* d, const char* h, const char* w, const Spatial& value) {
  const char* keys[] = {d, h, w};
  for (int dim = kMaxSpatial - rank_; dim < kMaxSpatial; ++dim) text_ << keys[dim] << value[dim];
  return *this;
}

ProblemWriter& ProblemWriter::repeated(const char* key, const Spatial& value, Index skip_if_all) {
  const int first = kMaxSpatial - rank_;
  bool same = true;
  for (int dim = first; dim < kMaxSpatial; ++dim) same = same && value[dim] == value[first];
  if (same && value[first] == skip_if_all) return *this;
  text_ << key << value[first];
  for (int dim = first + 1; !same && dim < kMaxSpatial; ++dim) text_ << "x" << value[dim];
  return *this;
}

ProblemWriter& ProblemWriter::pads(const char* key, const Spatial& begin, const Spatial& end) {
  if (begin == end) return repeated(key, begin, 0);
  text_ << key;
  for (int dim = kMaxSpatial - rank_; dim < kMaxSpatial; ++dim)
    text_ << (dim == kMaxSpatial - rank_ ? "" : "x") << begin[dim] << ":" << end[dim];
  return *this;
}

ProblemWriter& ProblemWriter::separator() {
  text_ << "_";
  return *this;
}

ProblemWriter& ProblemWriter::word(const char* text) {
  text_ << text;
  return *this;
}

ProblemWriter& ProblemWriter::flag(const std::string& word) {
  text_ << "_" << word;
  return *this;
}

void ProblemReader::fail(const std::string& why) const {
  throw ValueError(concat("cannot read problem string '", text_, "' at position ", at_, ": ", why,
                          " (example: n1c64h56w56_k64r3s3p1u2)"));
}

bool ProblemReader::take(const char* key) {
  const std::size_t length = std::strlen(key);
  const bool digit_follows =
      at_ + length < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_ + length]));
  if (text_.compare(at_, length, key) != 0 || !digit_follows) return false;
  at_ += length;
  return true;
}

Index ProblemReader::integer() {
  Index value = 0;
  const std::size_t start = at_;
  for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); ++at_)
    value = checked_add(checked_mul(value, 10, "a number in a problem string"), text_[at_] - '0',
                        "a number in a problem string");
  if (at_ == start) fail("a number is missing");
  return value;
}

Index ProblemReader::number(const char* key) {
  if (!take(key)) fail(concat("'", key, "' and a number are missing"));
  return integer();
}

Index ProblemReader::number(const char* key, Index if_absent) { return take(key) ? integer() : if_absent; }

int ProblemReader::dims(const char* d, const char* h, const char* w, Spatial* value, int rank) {
  const char* keys[] = {d, h, w};
  int found = 0;
  for (int dim = 0; dim < kMaxSpatial; ++dim) {
    if (!take(keys[dim])) {
      if (found > 0 || (rank > 0 && dim >= kMaxSpatial - rank) || dim == kW)
        fail(concat("'", keys[dim], "' and a number are missing"));
      continue;
    }
    (*value)[dim] = integer();
    ++found;
  }
  if (rank > 0 && found != rank)
    fail(concat("kernel and input must have the same number of dimensions, ", rank));
  return found;
}

void ProblemReader::repeated(const char* key, int rank, Spatial* value) {
  if (!take(key)) return;
  const int first = kMaxSpatial - rank;
  (*value)[first] = integer();
  const bool each = at_ < text_.size() && text_[at_] == 'x';
  for (int dim = first + 1; dim < kMaxSpatial; ++dim) {
    if (!each) {
      (*value)[dim] = (*value)[first];
      continue;
    }
    if (at_ >= text_.size() || text_[at_] != 'x')
      fail("one number per dimension is needed, separated by 'x'");
    ++at_;
    (*value)[dim] = integer();
  }
}

void ProblemReader::pads(const char* key, int rank, Spatial* begin, Spatial* end) {
  const std::size_t field_end = text_.find('_', at_);
  const std::size_t colon = text_.find(':', at_);
  if (colon == std::string::npos || colon > field_end) {
    repeated(key, rank, begin);
    *end = *begin;
    return;
  }
  if (!take(key)) fail("'p' is missing before begin:end padding");
  for (int dim = kMaxSpatial - rank; dim < kMaxSpatial; ++dim) {
    if (dim > kMaxSpatial - rank && text_[at_++] != 'x') fail("begin:end is needed for each dimension");
    (*begin)[dim] = integer();
    if (at_ >= text_.size() || text_[at_++] != ':') fail("begin:end is needed for each dimension");
    (*end)[dim] = integer();
  }
}

void ProblemReader::separator() {
  if (at_ >= text_.size() || text_[at_] != '_') fail("'_' is missing between the input and the kernel");
  ++at_;
}

bool ProblemReader::word(const char* text) {
  const std::size_t length = std::strlen(text);
  if (text_.compare(at_, length, text) != 0) return false;
  at_ += length;
  return true;
}

bool ProblemReader::flag(std::string* word) {
  if (at_ == text_.size()) return false;
  if (text_[at_] != '_') fail("'_' is missing before a flag");
  const std::size_t next = text_.find('_', at_ + 1);
  *word = text_.substr(at_ + 1, next == std::string::npos ? next : next - at_ - 1);
  at_ = next == std::string::npos ? text_.size() : next;
  return true;
}

double ProblemReader::real(const std::string& word) const {
  char* end = nullptr;
  const double value = std::strtod(word.c_str(), &end);
  if (word.empty() || *end != '\0') fail(concat("'", word, "' is not a number"));
  return value;
}

}  // namespace pyconv
