// Module state as named tensors, in and out of safetensors files.
#pragma once

#include "core/files.h"
#include "libtorch.h"

#include <map>
#include <string>
#include <vector>

namespace selfsight::nn {

using State = std::map<std::string, torch::Tensor>;

/// Parameters and buffers by full name. The tensors are the module's own, not copies.
State named_state(const torch::nn::Module& module);

/// Writes atomically; tensors of any device and layout, values as they are. Returns the file's digest ("sha256:...").
/// Errors: cannot_create, io.
std::string save_tensors(const core::fs::path& path, const State& tensors, const std::map<std::string, std::string>& metadata = {});
/// Copies on the CPU. Errors: no_input; bad_data naming the file and the tensor at fault.
State load_tensors(const core::fs::path& path);

struct LoadReport {
  std::vector<std::string> missing;     ///< in the module, not in the state
  std::vector<std::string> unexpected;  ///< in the state, not in the module
  std::vector<std::string> mismatched;  ///< in both, of different shape: "name (module [64, 3, 7, 7], state [64, 1, 3, 3])"
  std::string advice;                   ///< the prefix to strip or add that makes most keys fit; "" when there is none

  [[nodiscard]] bool fits() const { return missing.empty() && unexpected.empty() && mismatched.empty(); }
  /// "3 missing (a, b, c), 1 unexpected (d); every key would fit without the prefix 'module.'"
  [[nodiscard]] std::string summary() const;
};

/// What load_state would find, without changing anything.
LoadReport compare_state(const torch::nn::Module& module, const State& state);
/// Copies values into the module (converted to its dtype and device). Strict: anything that does not fit is an error and nothing is
/// changed; else what fits is loaded. Error: bad_data with the report's summary, `origin` in front.
LoadReport load_state(torch::nn::Module& module, const State& state, bool strict = true, const std::string& origin = "state");

/// The entries whose name starts with `prefix`, without it.
State with_prefix_removed(const State& state, const std::string& prefix);

}  // namespace selfsight::nn
