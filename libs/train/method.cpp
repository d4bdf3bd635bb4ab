#include "train/method.h"

namespace selfsight::train {

std::vector<data::ViewSpec> view_specs(std::vector<data::Recipe> recipes, std::int64_t image) {
  std::vector<data::ViewSpec> out;
  for (auto& recipe : recipes) {
    if (recipe.size == 0) recipe.size = image;
    if (recipe.size == 0)
      core::fail(core::Exit::usage, "the images differ in size: say how large the view '{}' is to be (--view-size or --global-size)",
                 recipe.name);
    out.push_back({std::move(recipe), false});
  }
  return out;
}

}  // namespace selfsight::train
