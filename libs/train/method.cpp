#include "train/method.h"

namespace selfsight::train {

std::vector<data::ViewSpec> view_specs(std::vector<data::Recipe> recipes, std::int64_t image) {
  std::vector<data::ViewSpec> out;
  for (auto& recipe : recipes) {
    if (recipe.size == 0) recipe.size = image;
    if (recipe.size == 0)
      core::fail(core::Exit::usage, "the images are not all square and of one size: say how large their views are to be (--{}size)",
                 recipe.option_prefix);
    recipe.check();
    out.push_back({std::move(recipe), false});
  }
  return out;
}

std::vector<ParameterGroup> Modifier::parameter_groups(const OptimizerOptions& options) {
  const std::string prefix = "host.";
  std::vector<ParameterGroup> groups = host_->parameter_groups(options);
  for (auto& group : groups)
    for (auto& [name, parameter] : group.parameters) name.insert(0, prefix);
  for (auto& group : default_groups(*this, options.exclude_1d)) {
    std::erase_if(group.parameters, [&](const auto& item) { return item.first.starts_with(prefix); });
    if (!group.parameters.empty()) groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace selfsight::train
