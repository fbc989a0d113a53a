#include "engine/select.h"

namespace pyconv {
namespace {

const char* precision_name(Precision precision) {
  switch (precision) {
    case Precision::kHighest:
      return "highest";
    case Precision::kHigh:
      return "high";
    case Precision::kMedium:
      return "medium";
  }
  return "?";
}

std::string refusal(const ConvAlgorithm& algorithm, const ConvProblem& image, Precision precision) {
  std::string reason = algorithm.refusal(image);
  if (reason.empty() && algorithm.admits > precision)
    reason = concat("needs precision='", precision_name(algorithm.admits), "' or lower, not '",
                    precision_name(precision), "': see its error bound");
  return reason;
}

}  // namespace

Precision precision_from_name(const std::string& name) {
  if (name == "highest") return Precision::kHighest;
  if (name == "high") return Precision::kHigh;
  check_value(name == "medium", "precision must be 'highest', 'high' or 'medium', got '", name, "'");
  return Precision::kMedium;
}

std::vector<Candidate> conv_candidates(const ConvProblem& problem, Precision precision) {
  const ConvProblem image = problem.one_image();
  std::vector<Candidate> candidates;
  for (const ConvAlgorithm* algorithm : conv_algorithms())
    candidates.push_back({algorithm, algorithm->cost(image), refusal(*algorithm, image, precision)});
  return candidates;
}

const ConvAlgorithm& select_conv(const ConvProblem& problem, Precision precision, const std::string& name) {
  const ConvProblem image = problem.one_image();
  if (name.empty() || name == "auto") {
    const ConvAlgorithm* best = nullptr;
    for (const ConvAlgorithm* algorithm : conv_algorithms())
      if (refusal(*algorithm, image, precision).empty() &&
          (!best || algorithm->cost(image) < best->cost(image)))
        best = algorithm;
    return *best;  // naive refuses nothing
  }
  std::string names;
  for (const ConvAlgorithm* algorithm : conv_algorithms()) {
    if (name == algorithm->name) {
      // A forced algorithm overrides the precision: the caller named what he wants.
      const std::string reason = algorithm->refusal(image);
      check_value(reason.empty(), "algorithm='", name, "' cannot compute ", problem.to_string(), ": ",
                  reason);
      return *algorithm;
    }
    names += concat("'", algorithm->name, "', ");
  }
  throw ValueError(concat("algorithm must be one of ", names, "'auto', got '", name, "'"));
}

}  // namespace pyconv
