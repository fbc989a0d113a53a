// Errors that state the rule and the values that broke it. Bindings turn them into ValueError and TypeError.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace pyconv {

struct ValueError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct TypeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

// check_value(a < b, "a must be below b: a is ", a, ", b is ", b)
template <class... Parts>
void check_value(bool holds, const Parts&... parts) {
  if (!holds) throw ValueError(concat(parts...));
}
template <class... Parts>
void check_type(bool holds, const Parts&... parts) {
  if (!holds) throw TypeError(concat(parts...));
}

}  // namespace pyconv
