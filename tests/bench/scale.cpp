// What a run of several processes moves and keeps, counted on the networks themselves, a line of JSON for each base method in its published
// configuration (224 pixels, 1,281,167 images):
//
//   bench-scale [DEVICE] [IMAGES=128]
//
// With a GPU it also measures whole updates in bf16 on views of so many random images: images a second, and the memory that they took.
#include "train/trainer.h"

#include "core/progress.h"
#include "dist/gradients.h"
#include "nn/batch_norm.h"
#include "train/passes.h"
#include "train/tensors.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <fmt/format.h>

#include <string>

using namespace selfsight;

namespace {

std::int64_t bytes_of(const std::vector<torch::Tensor>& tensors) {
  std::int64_t sum = 0;
  for (const auto& tensor : tensors) sum += static_cast<std::int64_t>(tensor.nbytes());
  return sum;
}

struct Measured {
  double images_per_second = 0;
  std::int64_t peak = 0;  ///< bytes of the device
};

Measured measure(train::Run& run, const std::vector<data::ViewSpec>& specs, const torch::Device& device, std::int64_t images) {
  constexpr int warm_up = 6, steps = 20;
  auto& method = *run.network;
  for (auto& parameter : method.parameters())
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(torch::MemoryFormat::ChannelsLast));
  method.to(device);
  method.train();
  train::Optimizer optimizer(method.parameter_groups(run.optimizer), run.optimizer);
  train::Passes passes(method, {.precision = "bf16", .device = device, .record = true});
  train::Views views;
  for (const auto& spec : specs)
    views.x.push_back(
        torch::randn({images, 3, spec.recipe.size, spec.recipe.size}).contiguous(torch::MemoryFormat::ChannelsLast).to(device));
  const train::Progress progress{.step = 6000, .total_steps = 100000, .steps_per_epoch = 1000};
  double begin = 0;
  for (int step = 0; step < warm_up + steps; ++step) {
    if (step == warm_up) begin = core::monotonic_seconds();
    passes.forget_gradients();
    const auto outcome = passes.run(views, progress, 1, nullptr);
    static_cast<void>(outcome.loss.item<double>());
    method.after_backward(progress);
    optimizer.step(1e-3, 1e-3, 1e-6);
    method.after_update(progress);
  }
  static_cast<void>(method.parameters().at(0).sum().item<double>());  // the end of the last update
  const double seconds = core::monotonic_seconds() - begin;
  const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(0);
  return {static_cast<double>(images * steps) / seconds, stats.reserved_bytes.at(0).peak};
}

void count(const std::string& name, const torch::Device& device, std::int64_t images) {
  train::Run run;
  train::choose_method(run, name, {});
  core::Options options;
  run.describe(options);
  options.set_json(train::profile_values(train::MethodRegistry::instance().find(name, "method"), "published"), "published");
  const auto views = run.network->views(224);
  train::Setup setup;
  setup.backbone = run.backbone;
  setup.backbone.image = 224;
  setup.samples = 1281167;
  setup.batch = run.train.batch;
  setup.steps_per_epoch = setup.samples / setup.batch;
  setup.epochs = run.train.epochs;
  setup.normalisation = train::usual_normalisation(3);
  if (device.is_cuda()) setup.batch = images, setup.device = device;
  run.network->build(setup);
  const auto trained = dist::trainable(*run.network);
  std::int64_t norms = 0, channels = 0;
  for (const auto& module : run.network->modules(/*include_self=*/false))
    if (const auto* norm = module->as<nn::BatchNormImpl>()) ++norms, channels += norm->running_mean.numel();
  std::int64_t pixels = 0;
  for (const auto& view : views) pixels += view.recipe.size * view.recipe.size;
  const std::int64_t state = bytes_of(run.network->parameters()) + bytes_of(run.network->buffers());
  const std::int64_t moments = (run.optimizer.optimizer == "adamw" ? 2 : 1) * bytes_of(trained);
  fmt::print(
      "{{\"method\": \"{}\", \"arch\": \"{}\", \"batch\": {}, \"views\": {}, \"pixels\": {}, \"gradient_MB\": {:.1f}, \"state_MB\": "
      "{:.1f}, "
      "\"optimizer_MB\": {:.1f}, \"norms\": {}, \"norm_channels\": {}",
      name, run.backbone.name, run.train.batch, views.size(), pixels, static_cast<double>(bytes_of(trained)) / 1e6,
      static_cast<double>(state) / 1e6, static_cast<double>(moments) / 1e6, norms, channels);
  if (device.is_cuda()) {
    const Measured measured = measure(run, views, device, images);
    fmt::print(", \"images\": {}, \"images_per_second\": {:.1f}, \"peak_GB\": {:.2f}", images, measured.images_per_second,
               static_cast<double>(measured.peak) / 1e9);
    run.network.reset();
    auto* allocator = c10::getDeviceAllocator(device.type());
    allocator->emptyCache();
    allocator->resetPeakStats(0);
  }
  fmt::print("}}\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const torch::Device device = train::open_device(argc > 1 ? argv[1] : "cpu");
  const std::int64_t images = argc > 2 ? std::stoll(argv[2]) : 128;
  at::globalContext().setBenchmarkCuDNN(true);
  for (const char* name : {"simclr", "moco", "byol", "simsiam", "swav", "dino", "mae"}) count(name, device, images);
}
