// The options of multi-crop views (SwAV, section 3.3): two global crops and several smaller local ones.
#pragma once

#include "data/loader.h"

namespace selfsight::data {

struct MultiCrop {
  Recipe global, local;  ///< size 0 of the global recipe: the images' own side
  std::int64_t locals = 6;
  std::vector<double> global_blur;      ///< blur probability of each global view where they differ (DINO); empty: the recipe's
  std::vector<double> global_solarize;  ///< likewise
  /// --global-*, --local-*, --locals, --global-blurs, --global-solarizes.
  void describe(core::Options& options);
  /// Two global views, then the local ones: consecutive views have equal size. Error: usage for lists that are not of length 2.
  [[nodiscard]] std::vector<Recipe> recipes() const;
};

/// The published settings: style "swav" or "dino".
MultiCrop multi_crop(const std::string& style);

}  // namespace selfsight::data
