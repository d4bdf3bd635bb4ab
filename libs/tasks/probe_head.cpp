#include "tasks/probe_head.h"

#include "core/error.h"
#include "dist/gradients.h"
#include "nn/heads.h"
#include "nn/init.h"
#include "nn/nin.h"
#include "tasks/dense_subject.h"
#include "tasks/headed.h"
#include "train/embed.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace selfsight::tasks {

namespace {

using torch::Tensor;

class NonLinearHead : public ProbeHead {
 public:
  NonLinearHead(std::int64_t in, std::int64_t classes) {
    const std::int64_t hidden = 20 * classes;
    mlp_ = register_module("mlp", std::make_shared<nn::Mlp>(nn::MlpOptions{.dims = {in, hidden, hidden, classes}, .batch_norm = true}));
  }
  Tensor forward(const Tensor& x) override { return mlp_->forward(x.flatten(1)); }

 private:
  std::shared_ptr<nn::Mlp> mlp_;
};

class ConvHead : public ProbeHead {
 public:
  ConvHead(std::int64_t channels, std::int64_t classes)
      : block_(register_module("block", std::make_shared<nn::NinBlock>(channels, std::array{channels, channels, channels}, 3))),
        linear_(register_module("linear", torch::nn::Linear(channels, classes))) {
    nn::kaiming_convolutions(*block_);
  }
  Tensor forward(const Tensor& x) override { return linear_(block_->forward(x).mean({2, 3})); }

 private:
  std::shared_ptr<nn::NinBlock> block_;
  torch::nn::Linear linear_;
};

/// What the head stands on. x: N x channels x H x W.
Tensor features_of(nn::Backbone& backbone, const Tensor& x, const Subject& subject) {
  if (subject.layer == "pooled" || subject.of_head) return train::forward_layer(backbone, x, subject.layer);
  return feature_map(backbone, x, subject.layer == "pixels" ? "map" : subject.layer);
}

/// The shape of what a head stands on, of one sample: C x h x w of a map, D of what is none.
std::vector<std::int64_t> head_input(const Subject& subject) {
  const torch::NoGradGuard no_grad;
  nn::Backbone& backbone = *subject.network.backbone;
  backbone.to(torch::kCPU);
  const std::int64_t side = subject.network.size;
  return features_of(backbone, torch::zeros({1, backbone.options().channels, side, side}), subject).sizes().slice(1).vec();
}

}  // namespace

std::shared_ptr<ProbeHead> make_head(const std::string& kind, const std::vector<std::int64_t>& shape, std::int64_t classes) {
  std::shared_ptr<ProbeHead> out;
  if (kind == "non-linear") {
    out = std::make_shared<NonLinearHead>(std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()), classes);
  } else {
    out = std::make_shared<ConvHead>(shape.front(), classes);
  }
  for (const auto& module : out->modules(/*include_self=*/false))  // weights as LibTorch has them
    if (auto* linear = module->as<torch::nn::Linear>(); linear && linear->bias.defined()) torch::nn::init::zeros_(linear->bias);
  return out;
}

void check_head(const std::string& kind, const Subject& subject) {
  if (kind == "conv" && head_input(subject).size() != 3)
    core::fail(core::Exit::usage,
               "--protocol conv: needs maps, and --layer {} of {} is none (map, or a tap such as block2 or layer3, is one)", subject.layer,
               subject.name);
}

HeadJudged judge_by_head(const std::string& kind, const Subject& subject, const OpenSplit& train, const std::vector<std::int64_t>& samples,
                         const OpenSplit& test, std::int64_t classes, const HeadOptions& options, const CropOptions& crop,
                         const EmbedRun& run) {
  torch::manual_seed(options.seed);
  const auto& backbone = subject.network.backbone;
  const auto head = make_head(kind, head_input(subject), classes);
  backbone->to(run.device);
  head->to(run.device);
  const EmbedRun shared = sharing(run, std::min<std::int64_t>(options.batch, static_cast<std::int64_t>(samples.size())));
  dist::join_all(*head, shared.ranks);

  HeadJudged out;
  out.drops = options.drops;
  if (out.drops.empty()) out.drops = kind == "conv" ? std::vector{0.35, 0.7, 0.85} : std::vector{0.2, 0.4, 0.45};
  CropTraining training;
  training.title = fmt::format("{}: {} head on {}", subject.name, kind, subject.layer);
  training.epochs = options.epochs;
  training.batch = options.batch;
  training.seed = options.seed;
  training.logits = [&](const Tensor& x) {
    Tensor features;
    {
      const torch::NoGradGuard no_grad;
      features = features_of(*backbone, x, subject);
    }
    return head->forward(features);
  };
  training.parameters = dist::trainable(*head);
  training.rule.nesterov = true;
  training.groups = train::default_groups(*head, /*exclude_1d=*/false);
  training.rate = [&](const train::Progress& at) {
    const auto epoch = static_cast<double>(at.epoch()) / static_cast<double>(options.epochs);
    const auto passed = std::count_if(out.drops.begin(), out.drops.end(), [&](double share) { return epoch >= share; });
    return options.learning_rate * std::pow(0.2, static_cast<double>(passed));
  };
  training.peak_rate = options.learning_rate;
  training.weight_decay = options.weight_decay;
  head->train();
  out.loss = train_on_crops(subject, train, samples, training, crop, shared, "--head-lr");

  head->eval();
  const auto whole = std::make_shared<Headed>(
      backbone, "classes", head, [&](nn::Backbone& inner, const Tensor& x) { return head->forward(features_of(inner, x, subject)); });
  train::EmbedOptions embedding = run.options();
  embedding.layer = "classes";
  const auto embedded = train::embed(*whole, subject.network.normalisation, subject.network.size, test.source, {}, run.device, embedding);
  out.predictions = embedded.features.argmax(1);
  return out;
}

}  // namespace selfsight::tasks
