// Seconds of one SimCLR update: ResNet-18 with CIFAR stem, two views of 64 images of 32 x 32, forward, NT-Xent, backward, SGD.
// Prints one line of JSON for each round; a round starts when a line arrives on stdin, so that a peer can take turns.
#include "core/progress.h"
#include "train/trainer.h"

#include <fmt/format.h>

#include <iostream>

using namespace selfsight;

int main() {
  constexpr std::int64_t batch = 64, side = 32, steps = 3;
  train::prepare_cpu(0);
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
  method.train();
  train::Optimizer optimizer(method.parameter_groups(run.optimizer), run.optimizer);
  train::Views views;
  for (int i = 0; i < 2; ++i) views.x.push_back(torch::randn({batch, 3, side, side}).contiguous(torch::MemoryFormat::ChannelsLast));
  const train::Progress progress{.step = 0, .total_steps = 1000, .steps_per_epoch = 781};
  const auto update = [&] {
    optimizer.zero_grad();
    const auto outcome = method.step(views, progress);
    outcome.loss.backward();
    optimizer.step(0.06, 0.06, 5e-4);
    method.after_update(progress);
    return outcome.loss.item<double>();
  };
  update();  // allocations and oneDNN's choice of kernels
  std::string line;
  while (std::getline(std::cin, line)) {
    const double begin = core::monotonic_seconds();
    double loss = 0;
    for (std::int64_t i = 0; i < steps; ++i) loss = update();
    fmt::print("{{\"seconds\": {:.5f}, \"loss\": {:.4f}}}\n", (core::monotonic_seconds() - begin) / static_cast<double>(steps), loss);
    std::fflush(stdout);
  }
}
