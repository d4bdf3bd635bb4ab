#include "methods/dino.h"

#include "nn/ema.h"
#include "nn/losses.h"

#include <cmath>

namespace selfsight::methods {

void Dino::describe(core::Options& o) {
  o.group("DINO");
  o.add("student-temperature", &options_.student_temperature, "tau_s").range(0.001, 10);
  o.add("teacher-temperature", &options_.teacher_temperature, "tau_t after its warm-up").range(0.001, 10);
  o.add("warmup-teacher-temperature", &options_.warmup_teacher_temperature, "tau_t at the start").range(0.001, 10);
  o.add("warmup-teacher-epochs", &options_.warmup_teacher_epochs, "epochs of the linear warm-up of tau_t").range(0, 1e6);
  o.add("ema", &options_.momentum, "m, momentum of the teacher at the start; rises to 1").range(0, 1);
  o.add("centre-momentum", &options_.centre_momentum, "momentum of the centre c").range(0, 1);
  o.add("outputs", &options_.outputs, "D, outputs of the head").range(2, 1 << 20);
  o.add("hidden", &options_.hidden, "hidden width of the head").range(1, 1 << 16);
  o.add("bottleneck", &options_.bottleneck, "width before the last layer").range(1, 1 << 16);
  o.add("bn-in-head", &options_.batch_norm, "batch normalisation in the head: for ResNets and short training");
  o.add("norm-last-layer", &options_.norm_last_layer, "fix the gain of the weight-normalised last layer to 1");
  o.add("freeze-last-layer", &options_.freeze_last_layer, "epochs during which the last layer stays as it is").range(0, 1e6);
  o.add("clip-each", &options_.clip_each, "largest gradient norm of each parameter tensor; 0: no clipping").range(0);
  options_.views.describe(o);
}

std::vector<data::ViewSpec> Dino::views(std::int64_t image) const { return train::view_specs(options_.views.recipes(), image); }

void Dino::build(const train::Setup& setup) {
  const auto make = [&](double drop_path) {
    nn::BackboneOptions options = setup.backbone;
    options.drop_path = drop_path;
    auto backbone = nn::make_backbone(options);
    nn::DinoHeadOptions head{
        .in = backbone->feature_dim(), .out = options_.outputs, .hidden = options_.hidden, .bottleneck = options_.bottleneck};
    head.batch_norm = options_.batch_norm;
    head.norm_last_layer = options_.norm_last_layer;
    return std::make_shared<nn::Encoder<nn::DinoHead>>(std::move(backbone), std::make_shared<nn::DinoHead>(head));
  };
  student_ = register_module("student", make(setup.backbone.drop_path));
  teacher_ = register_module("teacher", make(0.0));
  nn::start_following(*teacher_, *student_);
  centre_ = register_buffer("centre", torch::zeros({1, options_.outputs}));
}

torch::Tensor dino_loss(const std::vector<torch::Tensor>& teacher, const std::vector<torch::Tensor>& student) {
  torch::Tensor sum;
  double terms = 0;
  for (std::size_t i = 0; i < teacher.size(); ++i)
    for (std::size_t v = 0; v < student.size(); ++v) {
      if (v == i) continue;
      const torch::Tensor term = nn::soft_cross_entropy(teacher[i], student[v]);
      sum = sum.defined() ? sum + term : term;
      ++terms;
    }
  return sum / terms;
}

double teacher_temperature(const DinoOptions& options, std::int64_t epoch) {
  const double from = options.warmup_teacher_temperature, to = options.teacher_temperature, last = options.warmup_teacher_epochs - 1.0;
  if (static_cast<double>(epoch) >= options.warmup_teacher_epochs) return to;
  return last > 0 ? from + (to - from) * std::min(1.0, static_cast<double>(epoch) / last) : from;
}

train::Outcome Dino::step(const train::Views& views, const train::Progress& progress) {
  const double tau_t = teacher_temperature(options_, progress.epoch());
  std::vector<torch::Tensor> targets;
  torch::Tensor entropy;
  {
    const torch::NoGradGuard no_grad;
    const torch::Tensor raw = nn::widened(teacher_->forward(torch::cat({views.x[0], views.x[1]})));
    targets = torch::softmax((raw - centre_) / tau_t, 1).chunk(2);
    const torch::Tensor mean = ranks().mean(raw.mean(0, /*keepdim=*/true));
    batch_centre_ = centre_parts_++ == 0 ? mean : batch_centre_ + mean;
    entropy = -(targets[0] * (targets[0] + 1e-12).log()).sum(1).mean();
  }
  const auto raw_student = nn::forward_by_size(*student_, views.x);
  std::vector<torch::Tensor> logits;
  for (const auto& output : raw_student) logits.push_back(nn::widened(output) / options_.student_temperature);
  train::Outcome out;
  out.loss = dino_loss(targets, logits);
  out.embedding = raw_student[0];
  out.uniform_loss = std::log(static_cast<double>(options_.outputs));
  out.scalars["teacher_entropy"] = entropy / out.uniform_loss;  // 1: only centred; 0: only sharpened
  out.scalars["teacher_temperature"] = torch::tensor(tau_t, torch::kFloat64);
  return out;
}

void Dino::after_backward(const train::Progress& progress) {
  if (progress.epochs() < options_.freeze_last_layer)
    for (auto& parameter : student_->head->last_layer()->parameters()) parameter.mutable_grad() = torch::Tensor();
  if (options_.clip_each > 0)
    for (auto& parameter : student_->parameters())
      if (parameter.grad().defined()) torch::nn::utils::clip_grad_norm_(parameter, options_.clip_each);
}

void Dino::after_update(const train::Progress& progress) {
  const torch::NoGradGuard no_grad;
  centre_.mul_(options_.centre_momentum).add_(batch_centre_, (1.0 - options_.centre_momentum) / static_cast<double>(centre_parts_));
  centre_parts_ = 0;
  nn::ema_update(*teacher_, *student_, train::cosine(options_.momentum, 1.0, progress.share()));
}

namespace {
const bool registered = train::MethodRegistry::instance().add(
    "dino", {.title = "DINO",
             .paper = "Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021, arXiv 2104.14294",
             .summary = "A student matches the centred, sharpened output of its moving-average teacher across global and local views.",
             .needs = "two global and several local views",
             .cost = "2.1 x the time, 1.3 x the memory (on a small ViT)",
             .profiles = {{"published",
                           {{"arch", "vit-small"},
                            {"patch", 16},
                            {"drop-path", 0.1},
                            {"optimizer", "adamw"},
                            {"lr", 5e-4},
                            {"min-lr", 1e-6},
                            {"batch", 512},
                            {"epochs", 100},
                            {"warmup-epochs", 10},
                            {"weight-decay", 0.04},
                            {"weight-decay-end", 0.4}}},
                          {"small",
                           {{"arch", "resnet18"},
                            {"stem", "cifar"},
                            {"outputs", 2048},
                            {"hidden", 512},
                            {"bottleneck", 128},
                            {"bn-in-head", true},
                            {"global-size", 0},
                            {"global-blurs", {0.0, 0.0}},
                            {"local-size", 16},
                            {"local-blur", 0.0},
                            {"locals", 4},
                            {"optimizer", "sgd"},
                            {"lr", 0.12},
                            {"min-lr", 0.0},
                            {"batch", 256},
                            {"epochs", 200},
                            {"warmup-epochs", 1},
                            {"weight-decay", 5e-4},
                            {"weight-decay-end", -1.0},
                            {"ema", 0.99},
                            {"drop-path", 0.0}}}},
             .make = [] { return std::make_shared<Dino>(); }});
}  // namespace

}  // namespace selfsight::methods
