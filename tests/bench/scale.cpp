// What a run of several processes moves and keeps, counted on the networks themselves: bench-scale, a line of JSON for each base method in
// its published configuration (224 pixels, 1,281,167 images).
#include "train/trainer.h"

#include "nn/batch_norm.h"
#include "train/tensors.h"

#include <fmt/format.h>

using namespace selfsight;

namespace {

std::int64_t bytes_of(const std::vector<torch::Tensor>& tensors) {
  std::int64_t sum = 0;
  for (const auto& tensor : tensors) sum += static_cast<std::int64_t>(tensor.nbytes());
  return sum;
}

void count(const std::string& name) {
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
  run.network->build(setup);
  std::vector<torch::Tensor> trained;
  for (const auto& parameter : run.network->parameters())
    if (parameter.requires_grad()) trained.push_back(parameter);
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
      "\"optimizer_MB\": {:.1f}, \"norms\": {}, \"norm_channels\": {}}}\n",
      name, run.backbone.name, run.train.batch, views.size(), pixels, static_cast<double>(bytes_of(trained)) / 1e6,
      static_cast<double>(state) / 1e6, static_cast<double>(moments) / 1e6, norms, channels);
}

}  // namespace

int main() {
  for (const char* name : {"simclr", "moco", "byol", "simsiam", "swav", "dino", "mae"}) count(name);
}
