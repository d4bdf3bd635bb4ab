// What came out, in one line on stderr: one form for all `score` verbs.
#pragma once

#include <string>
#include <vector>

namespace selfsight::score {

struct Figure {
  std::string name;
  double value = 0;  ///< NaN: not defined
  std::string unit;
};

/// Logs "results: J&F 83.3 %, J 83.3 %, F 83.3 % (3 objects, 12 frames)"; without `whose` what comes behind the colon.
void say_headline(const std::string& whose, const std::vector<Figure>& figures, const std::string& of_what);

}  // namespace selfsight::score
