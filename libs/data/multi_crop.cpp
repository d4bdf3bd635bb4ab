#include "data/multi_crop.h"

#include "core/error.h"

namespace selfsight::data {

MultiCrop multi_crop(const std::string& style) {
  MultiCrop out;
  out.locals = style == "dino" ? 8 : 6;
  const auto recipes = multi_crop_recipes(style, 224, 96, out.locals);
  out.global = recipes[0];
  out.local = recipes[2];
  if (style == "dino") {
    out.global_blur = {recipes[0].blur, recipes[1].blur};
    out.global_solarize = {recipes[0].solarize, recipes[1].solarize};
  }
  return out;
}

void MultiCrop::describe(core::Options& options) {
  options.group("Views");
  // Where the two global views differ by default, one value for both would never be looked at.
  std::set<std::string> by_view;
  if (!global_blur.empty()) by_view.insert("blur");
  if (!global_solarize.empty()) by_view.insert("solarize");
  global.describe(options, "global-", by_view);
  local.describe(options, "local-");
  options.add("locals", &locals, "V, the number of local views").range(0, 100);
  options.add("global-blurs", &global_blur, "blur probability of the first and the second global view").range(0, 1);
  options.add("global-solarizes", &global_solarize, "solarize probability of the first and the second global view").range(0, 1);
}

std::vector<Recipe> MultiCrop::recipes() const {
  for (const auto* list : {&global_blur, &global_solarize})
    if (!list->empty() && list->size() != 2)
      core::fail(core::Exit::usage, "--{}: needs two values, one for each global view, got {}",
                 list == &global_blur ? "global-blurs" : "global-solarizes", list->size());
  std::vector<Recipe> out;
  for (std::size_t i = 0; i < 2; ++i) {
    Recipe& recipe = out.emplace_back(global);
    recipe.name = "global-" + std::to_string(i + 1);
    if (!global_blur.empty()) recipe.blur = global_blur[i];
    if (!global_solarize.empty()) recipe.solarize = global_solarize[i];
  }
  for (std::int64_t i = 0; i < locals; ++i) {
    out.push_back(local);
    out.back().name = "local-" + std::to_string(i + 1);
  }
  return out;
}

}  // namespace selfsight::data
