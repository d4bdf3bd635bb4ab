// Seconds of one SimCLR update: ResNet-18 with CIFAR stem, two views of 32 x 32, forward, NT-Xent, backward, SGD.
//
//   bench-step [DEVICE=cpu] [BATCH=64] [PRECISION=fp32] [RECORD=1]
//
// Prints one line of JSON for each round; a round starts when a line arrives on stdin, so that a peer can take turns.
#include "core/progress.h"
#include "train/passes.h"
#include "train/trainer.h"

#include <fmt/format.h>

#include <iostream>
#include <string>
#include <vector>

using namespace selfsight;

int main(int argc, char** argv) {
  const std::vector<std::string> given(argv + 1, argv + argc);
  const auto argument = [&](std::size_t place, const char* otherwise) { return given.size() > place ? given[place] : otherwise; };
  const torch::Device device = train::open_device(argument(0, "cpu"));
  const std::int64_t batch = std::stoll(argument(1, "64")), side = 32, steps = device.is_cuda() ? 50 : 3;
  train::prepare_cpu(0);
  at::globalContext().setBenchmarkCuDNN(true);
  train::Run run;
  train::choose_method(run, "simclr", {});
  core::Options options;
  run.describe(options);
  options.set_json(train::profile_values(train::MethodRegistry::instance().find("simclr", "method"), "small"), "bench");
  run.backbone.image = side;
  torch::manual_seed(0);
  train::Method& method = *run.network;
  method.build({.backbone = run.backbone, .samples = 50000, .batch = batch, .steps_per_epoch = 781, .epochs = 200});
  for (auto& parameter : method.parameters())
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(torch::MemoryFormat::ChannelsLast));
  method.to(device);
  method.train();
  train::Optimizer optimizer(method.parameter_groups(run.optimizer), run.optimizer);
  train::Passes passes(method, {.precision = argument(2, "fp32"), .device = device, .record = argument(3, "1") == "1"});
  train::Views views;
  for (int i = 0; i < 2; ++i)
    views.x.push_back(torch::randn({batch, 3, side, side}).contiguous(torch::MemoryFormat::ChannelsLast).to(device));
  const train::Progress progress{.step = 0, .total_steps = 1000, .steps_per_epoch = 781};
  const auto update = [&] {
    passes.forget_gradients();
    const auto outcome = passes.run(views, progress, 1, nullptr);
    optimizer.step(0.06, 0.06, 5e-4, outcome.loss.isfinite().logical_not().to(torch::kFloat32));
    const double loss = outcome.loss.item<double>();  // read at every step, as the trainer does
    method.after_update(progress);
    return loss;
  };
  for (std::int64_t i = 0; i < (device.is_cuda() ? 10 : 1); ++i) update();  // allocations and the choice of kernels
  std::string line;
  while (std::getline(std::cin, line)) {
    const double begin = core::monotonic_seconds();
    double loss = 0;
    for (std::int64_t i = 0; i < steps; ++i) loss = update();
    fmt::print("{{\"seconds\": {:.6f}, \"loss\": {:.4f}}}\n", (core::monotonic_seconds() - begin) / static_cast<double>(steps), loss);
    std::fflush(stdout);
  }
}
