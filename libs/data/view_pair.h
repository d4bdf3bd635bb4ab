// The options of a pair of views that differ in blur and solarizing alone (BYOL, arXiv 2006.07733, appendix B).
#pragma once

#include "data/view.h"

#include <vector>

namespace selfsight::data {

struct ViewPair {
  Recipe view = byol_recipes(224)[0];                            ///< what the two share; size 0: the images' own side
  std::vector<double> blur = {1.0, 0.1}, solarize = {0.0, 0.2};  ///< probabilities of the first and the second view
  /// --view-*, --view-blurs, --view-solarizes.
  void describe(core::Options& options);
  /// The first view's recipe and the second's. Error: usage for lists that are not of length 2.
  [[nodiscard]] std::vector<Recipe> recipes() const;
};

}  // namespace selfsight::data
