// Every registered method on a GPU against the CPU, through the whole trainer. Only where a CUDA device is.
#include "unit/cuda.h"
#include "unit/methods/runs.h"

#include "core/signals.h"
#include "train/checkpoint.h"
#include "train/passes.h"

#include <algorithm>
#include <cmath>
#include <sstream>

using namespace selfsight;
using test::Folder;

namespace {

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

/// Convolutions and products by other code than oneDNN's: the same numbers, added up in another order.
class OtherOrder {
 public:
  OtherOrder() { at::globalContext().setUserEnabledMkldnn(false); }
  ~OtherOrder() { at::globalContext().setUserEnabledMkldnn(true); }
  OtherOrder(const OtherOrder&) = delete;
  OtherOrder& operator=(const OtherOrder&) = delete;
};

/// What a run recorded of each step, and its state after the first one.
struct Done {
  std::vector<double> losses;
  std::map<std::string, torch::Tensor> first;
};

std::vector<double> losses_in(const Folder& folder) {
  std::vector<double> losses;
  std::istringstream record(test::text_of(folder / "metrics.jsonl"));
  for (std::string line; std::getline(record, line);) {
    const auto row = nlohmann::json::parse(line);
    if (row.at("type") == "step") losses.push_back(row.at("loss"));
  }
  return losses;
}

Done run_on(const std::string& device, const test::Subject& subject, const nlohmann::json& more = nlohmann::json::object()) {
  const Folder folder;
  nlohmann::json values = {{"device", device}, {"epochs", 1}, {"max-steps", 6}, {"checkpoint-steps", 1}, {"keep", 9}, {"clip-each", 0}};
  values.update(more);
  auto run = test::make_run(subject.method, folder.path(), values, subject.modifiers);
  train::pretrain(run);
  Done out;
  out.losses = losses_in(folder);
  const auto state = nn::load_tensors(folder / "checkpoints" / "step-0000000001" / "state.safetensors");
  for (const auto& [name, tensor] : state) out.first.emplace(name, tensor.clone());
  return out;
}

/// "method", "optimizer/first" ...
std::string kind_of(const std::string& name) {
  return name.starts_with("method/") ? "method" : name.substr(0, name.find('/', name.find('/') + 1));
}

/// For each kind of state (the method's, the optimizer's moments) the norm of the difference as a share of the norm of all of it. Adam's
/// first update goes by the sign of a gradient that may be 0 up to rounding (a bias before a normalisation): there the moments stand for
/// the weights.
std::map<std::string, double> differences(const Done& a, const Done& b) {
  std::map<std::string, double> of_kind, apart;
  for (const auto& [name, tensor] : a.first) {
    const std::string of_method = "method/";
    if (!tensor.is_floating_point()) continue;
    if (name.starts_with(of_method) && a.first.contains("optimizer/second/" + name.substr(of_method.size()))) continue;
    of_kind[kind_of(name)] += tensor.to(torch::kFloat64).square().sum().item<double>();
    apart[kind_of(name)] += (tensor - b.first.at(name)).to(torch::kFloat64).square().sum().item<double>();
  }
  for (auto& [kind, square] : apart) square = std::sqrt(square / std::max(of_kind.at(kind), 1e-60));
  return apart;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = a.size() == b.size() && !a.empty() ? 0 : std::nan("");
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    worst = std::max(worst, std::abs(a[i] - b[i]) / std::max(1.0, std::abs(a[i])));
  return worst;
}

/// Of three runs, so that one of them may have a ReLU whose input is 0 up to rounding: on in one order of adding, off in another, which
/// changes a gradient by all that goes through it. A fault shows in all three.
double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.at(values.size() / 2);
}

}  // namespace

TEST_CASE("a step of every method on a GPU is the CPU's") {
  if (!test::has_cuda_device()) return;
  const WholeFloats guard;
  for (const auto& subject : test::subjects()) {
    CAPTURE(subject.name());
    try {
      std::map<std::string, std::vector<double>> apart, rounding;
      std::vector<double> losses;
      for (const int seed : {0, 1, 2}) {
        const nlohmann::json values = {{"seed", seed}};
        const Done host = run_on("cpu", subject, values), device = run_on("cuda", subject, values);
        // Some gradients are badly conditioned: how far two ways of adding are apart on the CPU is the measure then.
        const Done other = [&] {
          const OtherOrder guard;
          return run_on("cpu", subject, values);
        }();
        for (const auto& [kind, share] : differences(host, device)) apart[kind].push_back(share);
        for (const auto& [kind, share] : differences(host, other)) rounding[kind].push_back(share);
        const auto first_two = [](const Done& done) { return std::vector<double>(done.losses.begin(), done.losses.begin() + 2); };
        losses.push_back(largest_difference(first_two(host), first_two(device)));  // later ones drift apart, as in any two orders of adding
      }
      std::string seen;
      for (const auto& [kind, shares] : apart) {
        seen += fmt::format("{} {:.1e} (the CPU's own rounding {:.1e}), ", kind, fmt::join(shares, " "), fmt::join(rounding.at(kind), " "));
        CAPTURE(kind);
        CHECK(median(shares) < std::max(1e-3, 4 * median(rounding.at(kind))));
      }
      MESSAGE(subject.name() << ": after a step, of three seeds, " << seen << "the losses of two "
                             << fmt::format("{:.1e}", fmt::join(losses, " ")));
      CHECK(median(losses) < 1e-3);
    } catch (const std::exception& error) {
      const std::string what = subject.name() + ": " + error.what();
      FAIL_CHECK(what);
    }
  }
}

TEST_CASE("a step that is recorded gives what it gives kernel by kernel, in half precision too") {
  if (!test::has_cuda_device()) return;
  for (const auto& subject : test::subjects()) {
    if (!train::MethodRegistry::instance().find(subject.method, "method").make()->repeats_itself() || !subject.modifiers.empty()) continue;
    for (const std::string precision : {"fp32", "bf16"}) {
      CAPTURE(subject.name());
      CAPTURE(precision);
      const nlohmann::json values = {{"precision", precision}, {"max-steps", 8}};
      auto off = values;
      off["record-step"] = false;
      const Done on = run_on("cuda", subject, values), without = run_on("cuda", subject, off), again = run_on("cuda", subject, off);
      const double noise = largest_difference(without.losses, again.losses), difference = largest_difference(on.losses, without.losses);
      MESSAGE(subject.name() << " in " << precision << ": recorded and not differ by " << difference << ", two runs that are not by "
                             << noise);
      CHECK(difference <= std::max(4 * noise, 1e-2));  // a GPU adds in no fixed order
    }
  }
}

TEST_CASE("the gradients of a recorded step are those of the step kernel by kernel") {
  if (!test::has_cuda_device()) return;
  const std::vector<std::pair<std::string, nlohmann::json>> subjects = {
      {"simclr", nlohmann::json::object()}, {"byol", {{"hidden", 32}, {"dim", 16}}}, {"simsiam", {{"dim", 32}, {"bottleneck", 8}}}};
  for (const auto& [name, options] : subjects) {
    CAPTURE(name);
    test::Built built(name, options);
    built.method->to(torch::kCUDA);
    train::PassesOptions how{.precision = "bf16", .device = torch::Device("cuda")};
    train::Passes launched(*built.method, how);
    how.record = true;
    train::Passes recorded(*built.method, how);
    train::Views views;
    for (const int seed : {1, 2}) views.x.push_back(test::Built::images(seed).to(torch::kCUDA));
    const auto gradients = [&](train::Passes& passes) {
      passes.forget_gradients();
      passes.run(views, built.progress, 1, nullptr);
      std::vector<torch::Tensor> out;
      for (const auto& parameter : built.method->parameters())
        if (parameter.grad().defined()) out.push_back(parameter.grad().flatten().to(torch::kFloat64));
      return torch::cat(out).clone();
    };
    for (int step = 0; step < 5; ++step) gradients(recorded);
    CHECK(recorded.recorded());
    for (const int seed : {3, 4}) {  // other pixels than were recorded
      views.x[0] = test::Built::images(seed).to(torch::kCUDA);
      const torch::Tensor expected = gradients(launched), found = gradients(recorded);
      CHECK(expected.norm().item<double>() > 0);
      CHECK((found - expected).norm().item<double>() <= 1e-2 * expected.norm().item<double>());
    }
  }
}

TEST_CASE("a run that is stopped on a GPU goes on there, and on the CPU") {
  if (!test::has_cuda_device()) return;
  const auto losses_of = [](const std::string& begun, const std::string& ended) {  // `begun`: where it is stopped; "": it is not
    const Folder folder;
    const auto go = [&](const std::string& device, std::int64_t stop) {
      auto run = test::make_run("moco", folder.path(), {{"device", device}, {"epochs", 1}});
      run.stop_after_step = stop;
      if (stop == 0) return static_cast<void>(train::pretrain(run));
      CHECK_THROWS_AS(train::pretrain(run), core::Error);
      core::request_stop(0);
    };
    if (!begun.empty()) go(begun, 3);
    go(ended, 0);
    return losses_in(folder);
  };
  const auto whole = losses_of("", "cuda");
  CHECK(whole.size() == 8);
  CHECK(largest_difference(whole, losses_of("cuda", "cuda")) < 1e-2);
  CHECK(largest_difference(whole, losses_of("cuda", "cpu")) < 1e-2);
}
