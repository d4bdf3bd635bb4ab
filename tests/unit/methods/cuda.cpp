// Every registered method on a GPU against the CPU, through the whole trainer. Only where a CUDA device is.
#include "unit/methods/runs.h"

#include "core/signals.h"
#include "train/checkpoint.h"

#include <dlfcn.h>
#include <cmath>
#include <sstream>

using namespace selfsight;
using test::Folder;

namespace {

bool has_device() {
  const bool found = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr && torch::cuda::is_available();
  if (!found) MESSAGE("no CUDA device: nothing is tested");
  return found;
}

/// float32 as it is: without the shorter TF32, which convolutions use otherwise.
class WholeFloats {
 public:
  WholeFloats() { set(false); }
  ~WholeFloats() { set(true); }
  WholeFloats(const WholeFloats&) = delete;
  WholeFloats& operator=(const WholeFloats&) = delete;

 private:
  static void set(bool shorter) { at::globalContext().setAllowTF32CuDNN(shorter); }
};

/// What a run recorded of each step, and its state after the first one.
struct Done {
  std::vector<double> losses;
  std::map<std::string, torch::Tensor> first;
};

Done run_on(const std::string& device, const test::Subject& subject, const nlohmann::json& more = nlohmann::json::object()) {
  const Folder folder;
  nlohmann::json values = {{"device", device}, {"epochs", 1}, {"max-steps", 6}, {"checkpoint-steps", 1}, {"keep", 9}, {"clip-each", 0}};
  values.update(more);
  auto run = test::make_run(subject.method, folder.path(), values, subject.modifiers);
  train::pretrain(run);
  Done out;
  std::istringstream record(test::text_of(folder / "metrics.jsonl"));
  for (std::string line; std::getline(record, line);) {
    const auto row = nlohmann::json::parse(line);
    if (row.at("type") == "step") out.losses.push_back(row.at("loss"));
  }
  const auto state = nn::load_tensors(folder / "checkpoints" / "step-0000000001" / "state.safetensors");
  for (const auto& [name, tensor] : state) out.first.emplace(name, tensor.clone());
  return out;
}

std::string kind_of(const std::string& name) { return name.substr(0, name.find('/', name.find('/') + 1)); }

/// The largest difference between tensors of one name, as a share of their norm; of tensors that are nearly nothing beside the others of
/// their kind (the gradient of a bias before a normalisation is 0, up to rounding), of a share of these.
std::pair<double, std::string> difference(const Done& a, const Done& b) {
  std::map<std::string, double> of_kind;
  for (const auto& [name, tensor] : a.first)
    if (tensor.is_floating_point()) of_kind[kind_of(name)] = std::max(of_kind[kind_of(name)], tensor.norm().item<double>());
  std::pair<double, std::string> worst;
  for (const auto& [name, tensor] : a.first) {
    if (!tensor.is_floating_point()) continue;
    const double norm = std::max(tensor.norm().item<double>(), 1e-3 * of_kind[kind_of(name)]);
    const double share = (tensor - b.first.at(name)).norm().item<double>() / std::max(norm, 1e-30);
    if (!(share <= worst.first)) worst = {share, name};
  }
  return worst;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = a.size() == b.size() && !a.empty() ? 0 : std::nan("");
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) worst = std::max(worst, std::abs(a[i] - b[i]) / std::abs(a[i]));
  return worst;
}

}  // namespace

TEST_CASE("a step of every method on a GPU is the CPU's") {
  if (!has_device()) return;
  const WholeFloats guard;
  for (const auto& subject : test::subjects()) {
    CAPTURE(subject.name());
    try {
      const Done host = run_on("cpu", subject), device = run_on("cuda", subject);
      const auto [share, name] = difference(host, device);
      const double losses = largest_difference(host.losses, device.losses);
      MESSAGE(subject.name() << ": state after a step differs by " << share << " (" << name << "), the losses of six by " << losses);
      CHECK(share < 1e-3);
      CHECK(losses < 1e-3);
    } catch (const std::exception& error) {
      FAIL_CHECK(subject.name() << ": " << error.what());
    }
  }
}

TEST_CASE("a step that is recorded gives what it gives kernel by kernel, in half precision too") {
  if (!has_device()) return;
  for (const auto& subject : test::subjects()) {
    if (!train::MethodRegistry::instance().find(subject.method, "method").make()->repeats_itself() || !subject.modifiers.empty()) continue;
    for (const char* precision : {"fp32", "bf16"}) {
      CAPTURE(subject.name());
      CAPTURE(precision);
      const nlohmann::json values = {{"precision", precision}, {"max-steps", 8}};
      auto off = values;
      off["record-step"] = false;
      const Done on = run_on("cuda", subject, values), without = run_on("cuda", subject, off), again = run_on("cuda", subject, off);
      const double noise = largest_difference(without.losses, again.losses), difference = largest_difference(on.losses, without.losses);
      MESSAGE(subject.name() << " in " << precision << ": recorded and not differ by " << difference << ", two runs that are not by " << noise);
      CHECK(difference <= std::max(2 * noise, std::string(precision) == "fp32" ? 1e-3 : 1e-2));
    }
  }
}

TEST_CASE("a run that is stopped on a GPU goes on there, and on the CPU") {
  if (!has_device()) return;
  for (const char* second : {"cuda", "cpu"}) {
    CAPTURE(second);
    const Folder whole, parts;
    const auto go = [&](const Folder& folder, const char* device, std::int64_t stop) {
      auto run = test::make_run("moco", folder.path(), {{"device", device}, {"epochs", 1}});
      run.stop_after_step = stop;
      if (stop == 0) return train::pretrain(run);
      CHECK_THROWS_AS(train::pretrain(run), core::Error);
      core::request_stop(0);
      return manifest::Model();
    };
    go(whole, "cuda", 0);
    go(parts, "cuda", 3);
    go(parts, second, 0);
    const auto a = nn::load_tensors(whole / "weights.safetensors"), b = nn::load_tensors(parts / "weights.safetensors");
    for (const auto& [name, tensor] : a)
      if (tensor.is_floating_point()) CHECK(torch::allclose(tensor, b.at(name), 1e-2, 1e-3));
  }
}
