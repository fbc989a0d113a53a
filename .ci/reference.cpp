// A program that never changes: how long its compilation takes tells how fast this machine compiles
// (.ci/run).
#include <algorithm>
#include <map>
#include <regex>
#include <sstream>
#include <string>

int main(int count, char** words) {
  std::map<std::string, int> seen;
  const std::regex pattern("(a|b)*c[d-f]+");
  for (int i = 0; i < count; ++i)
    if (std::regex_match(words[i], pattern)) ++seen[std::regex_replace(words[i], pattern, "$1")];
  std::ostringstream text;
  for (const auto& [word, times] : seen) text << word << times;
  return static_cast<int>(text.str().size());
}
