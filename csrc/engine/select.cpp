#include "engine/select.h"

#include <optional>

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

bool admitted(const ConvAlgorithm& algorithm, const ConvProblem& image, Precision precision, Reason why) {
  if (algorithm.admits > precision)
    return algorithm.supports(image, why) &&
           why.refuse("needs precision='", precision_name(algorithm.admits), "' or lower, not '",
                      precision_name(precision), "': see its error bound");
  return algorithm.supports(image, why);
}

const ConvAlgorithm& cheapest(const ConvProblem& image, Precision precision) {
  const ConvAlgorithm* best = nullptr;
  double least = 0;
  for (const ConvAlgorithm* algorithm : conv_algorithms()) {
    if (algorithm->admits > precision) continue;
    const double cost = algorithm->cost(image);
    if ((best && cost >= least) || !algorithm->supports(image, Reason())) continue;
    best = algorithm;
    least = cost;
  }
  return *best;  // naive refuses nothing
}

// The choice for a problem like the thread's last one is not made again: plain functions are called in loops.
const ConvAlgorithm& cheapest_for(const ConvProblem& problem, Precision precision) {
  struct Choice {
    ConvProblem problem;
    Precision precision;
    const ConvAlgorithm* algorithm;
  };
  thread_local std::optional<Choice> last;
  if (!last || last->precision != precision || !(last->problem == problem))
    last = Choice{problem, precision, &cheapest(problem.one_image(), precision)};
  return *last->algorithm;
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
  for (const ConvAlgorithm* algorithm : conv_algorithms()) {
    candidates.push_back({algorithm, algorithm->cost(image), ""});
    admitted(*algorithm, image, precision, Reason(&candidates.back().refusal));
  }
  return candidates;
}

const ConvAlgorithm& select_conv(const ConvProblem& problem, Precision precision, const std::string& name) {
  if (name.empty() || name == "auto") return cheapest_for(problem, precision);
  const ConvProblem image = problem.one_image();
  std::string names;
  for (const ConvAlgorithm* algorithm : conv_algorithms()) {
    if (name == algorithm->name) {
      // A forced algorithm overrides the precision: the caller named what he wants.
      std::string reason;
      if (algorithm->supports(image, Reason(&reason))) return *algorithm;
      throw ValueError(concat("algorithm='", name, "' cannot compute ", problem.to_string(), ": ", reason));
    }
    names += concat("'", algorithm->name, "', ");
  }
  throw ValueError(concat("algorithm must be one of ", names, "'auto', got '", name, "'"));
}

}  // namespace pyconv
