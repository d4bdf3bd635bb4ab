#include "nn/state.h"

#include "core/error.h"
#include "core/lists.h"
#include "nn/tensor_view.h"

#include <set>
#include <utility>

namespace selfsight::nn {

namespace {

std::string shape_text(const torch::Tensor& tensor) { return fmt::format("[{}]", fmt::join(tensor.sizes(), ", ")); }

/// The prefix that most often stands in `longer` before a name of `shorter`, and how often.
std::pair<std::string, std::size_t> usual_prefix(const std::vector<std::string>& shorter, const std::vector<std::string>& longer) {
  const std::set<std::string> wanted(shorter.begin(), shorter.end());
  std::map<std::string, std::size_t> by_prefix;
  for (const auto& name : longer)
    for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
      if (wanted.contains(name.substr(dot + 1))) ++by_prefix[name.substr(0, dot + 1)];
  std::pair<std::string, std::size_t> best{"", 0};
  for (const auto& [prefix, count] : by_prefix)
    if (count > best.second) best = {prefix, count};
  return best;
}

}  // namespace

State named_state(const torch::nn::Module& module) {
  State out;
  for (const auto& item : module.named_parameters()) out.emplace(item.key(), item.value());
  for (const auto& item : module.named_buffers())
    if (item.value().defined()) out.emplace(item.key(), item.value());
  return out;
}

std::string save_tensors(const core::fs::path& path, const State& tensors, const std::map<std::string, std::string>& metadata) {
  std::vector<torch::Tensor> keep;  // the contiguous CPU copies that the views point into
  std::map<std::string, manifest::TensorView> views;
  for (const auto& [name, tensor] : tensors) {
    const torch::Tensor& plain = keep.emplace_back(tensor.detach().to(torch::kCPU).contiguous());
    views.emplace(name, view_of(plain, name));
  }
  return manifest::write_safetensors(path, views, metadata);
}

State load_tensors(const core::fs::path& path) {
  const manifest::Safetensors file(path);
  State out;
  for (const auto& [name, view] : file.tensors()) out.emplace(name, tensor_of(view, path.string() + ": " + name));
  return out;
}

std::string LoadReport::summary() const {
  std::vector<std::string> parts;
  if (!missing.empty()) parts.push_back(fmt::format("{} missing ({})", missing.size(), core::some_of(missing)));
  if (!unexpected.empty()) parts.push_back(fmt::format("{} unexpected ({})", unexpected.size(), core::some_of(unexpected)));
  if (!mismatched.empty()) parts.push_back(fmt::format("{} of another shape ({})", mismatched.size(), core::some_of(mismatched)));
  if (parts.empty()) parts.emplace_back("every tensor fits");
  return fmt::format("{}{}{}", fmt::join(parts, ", "), advice.empty() ? "" : "; ", advice);
}

LoadReport compare_state(const torch::nn::Module& module, const State& state) {
  const State own = named_state(module);
  LoadReport report;
  for (const auto& [name, tensor] : own) {
    const auto it = state.find(name);
    if (it == state.end()) {
      report.missing.push_back(name);
    } else if (it->second.sizes() != tensor.sizes()) {
      report.mismatched.push_back(fmt::format("{} (module {}, state {})", name, shape_text(tensor), shape_text(it->second)));
    }
  }
  for (const auto& [name, tensor] : state)
    if (!own.contains(name)) report.unexpected.push_back(name);
  const auto [strip, stripped] = usual_prefix(report.missing, report.unexpected);
  const auto [add, added] = usual_prefix(report.unexpected, report.missing);
  if (stripped > 0 && stripped >= added)
    report.advice = fmt::format("without the prefix '{}' {} of the {} missing would be there", strip, stripped, report.missing.size());
  else if (added > 0)
    report.advice = fmt::format("with the prefix '{}' in front {} of the {} missing would be there", add, added, report.missing.size());
  return report;
}

LoadReport load_state(torch::nn::Module& module, const State& state, bool strict, const std::string& origin) {
  LoadReport report = compare_state(module, state);
  if (strict && !report.fits()) core::fail(core::Exit::bad_data, "{} does not fit the network: {}", origin, report.summary());
  const torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : named_state(module)) {
    const auto it = state.find(name);
    if (it != state.end() && it->second.sizes() == tensor.sizes()) torch::Tensor(tensor).copy_(it->second);
  }
  return report;
}

State with_prefix_removed(const State& state, const std::string& prefix) {
  State out;
  for (const auto& [name, tensor] : state)
    if (name.starts_with(prefix)) out.emplace(name.substr(prefix.size()), tensor);
  return out;
}

}  // namespace selfsight::nn
