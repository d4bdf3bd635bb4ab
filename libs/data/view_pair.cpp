#include "data/view_pair.h"

#include "core/error.h"

namespace selfsight::data {

void ViewPair::describe(core::Options& options) {
  options.group("Views");
  view.describe(options, "view-", /*without=*/{"blur", "solarize"});
  options.add("view-blurs", &blur, "blur probability of the first and the second view").range(0, 1);
  options.add("view-solarizes", &solarize, "solarize probability of the first and the second view").range(0, 1);
}

std::vector<Recipe> ViewPair::recipes() const {
  if (blur.size() != 2 || solarize.size() != 2)
    core::fail(core::Exit::usage, "--view-blurs and --view-solarizes need two values each, one for each view");
  std::vector<Recipe> out(2, view);
  for (std::size_t i = 0; i < 2; ++i) {
    out[i].name = "view-" + std::to_string(i + 1);
    out[i].blur = blur[i];
    out[i].solarize = solarize[i];
  }
  return out;
}

}  // namespace selfsight::data
