#include "train/save_head.h"

#include "nn/heads.h"
#include "nn/state.h"

namespace selfsight::train {

core::fs::path head_file(const core::fs::path& folder, const std::string& name) { return folder / ("head-" + name + ".safetensors"); }

nlohmann::json save_head(const core::fs::path& folder, const std::string& name, const torch::nn::Module& head) {
  const core::fs::path file = head_file(folder, name);
  const std::string digest = nn::save_tensors(file, nn::named_state(head));
  nlohmann::json entry = {{"weights", {{"path", file.string()}, {"digest", digest}}}};
  if (const auto* mlp = head.as<nn::Mlp>()) entry["architecture"] = nn::to_json(mlp->options());
  return entry;
}

}  // namespace selfsight::train
