#include "methods/rotnet.h"

#include "core/error.h"
#include "nn/losses.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace selfsight::methods {

void Rotnet::describe(core::Options& o) {
  o.group("RotNet");
  o.add("rotations", &options_.rotations, "angles in degrees, counter-clockwise, that are told apart (K of them, y their place)")
      .range(0, 270);
  o.group("Views");
  options_.view.describe(o, "view-");
}

std::vector<data::ViewSpec> Rotnet::views(std::int64_t image) const { return train::view_specs({options_.view}, image); }

torch::Tensor rotate(const torch::Tensor& images, std::int64_t quarter_turns) { return torch::rot90(images, quarter_turns, {2, 3}); }

RotationBatch rotation_batch(const torch::Tensor& images, const std::vector<std::int64_t>& degrees) {
  std::vector<torch::Tensor> copies, labels;
  for (const std::int64_t angle : degrees) {
    if (angle % 180 != 0 && images.size(2) != images.size(3))
      core::fail(core::Exit::usage, "--rotations {}: images of {} x {} would change their shape; views must be square", angle,
                 images.size(2), images.size(3));
    copies.push_back(rotate(images, angle / 90));
    labels.push_back(torch::full({images.size(0)}, static_cast<std::int64_t>(labels.size()), images.options().dtype(torch::kInt64)));
  }
  return {torch::cat(copies).contiguous(images.suggest_memory_format()), torch::cat(labels)};
}

void Rotnet::build(const train::Setup& setup) {
  const auto& angles = options_.rotations;
  const bool quarter_turns = std::all_of(angles.begin(), angles.end(), [](std::int64_t angle) { return angle % 90 == 0; });
  if (!quarter_turns || angles.size() < 2 || std::set(angles.begin(), angles.end()).size() != angles.size())
    core::fail(core::Exit::usage, "--rotations {}: give two or more different ones of 0, 90, 180, 270", fmt::join(angles, ","));
  backbone_ = register_module("backbone", nn::make_backbone(setup.backbone));
  classifier_ = register_module("classifier", torch::nn::Linear(backbone_->feature_dim(), static_cast<std::int64_t>(angles.size())));
  torch::nn::init::zeros_(classifier_->bias);
}

train::Outcome Rotnet::step(const train::Views& views, const train::Progress&) {
  // The crop and flip come first: after a rotation they would be other distributions for each angle, and tell it.
  const RotationBatch batch = rotation_batch(views.x[0], options_.rotations);
  const torch::Tensor features = backbone_->forward(batch.images).pooled;
  const torch::Tensor logits = nn::widened(classifier_->forward(features));
  train::Outcome out;
  out.loss = torch::cross_entropy_loss(logits, batch.labels);
  out.embedding = features.narrow(0, 0, views.x[0].size(0));  // one copy of each image: a spread over angles would hide a collapse
  out.uniform_loss = std::log(static_cast<double>(options_.rotations.size()));
  out.scalars["rotation_accuracy"] = (logits.argmax(1) == batch.labels).to(torch::kFloat32).mean();
  return out;
}

namespace {

/// On top of "published": what was released for CIFAR-10, with `changes`.
nlohmann::json on_cifar(const nlohmann::json& changes) {
  nlohmann::json values = {{"arch", "nin4"}, {"view-size", 0}, {"view-crop", "padded"},      {"view-padding", 4}, {"batch", 128},
                           {"epochs", 200},  {"lr", 0.1},      {"lr-steps", {60, 120, 160}}, {"lr-gamma", 0.2}};
  if (!changes.empty()) values.update(changes);
  return values;
}

const bool registered = train::MethodRegistry::instance().add(
    "rotnet",
    {.title = "RotNet",
     .paper = "Gidaris et al., Unsupervised Representation Learning by Predicting Image Rotations, ICLR 2018, arXiv 1803.07728",
     .summary = "Tell by which of four angles an image was turned.",
     .needs = "one view; images that have an upright position (probe a block in the middle: the last one knows little but angles)",
     .cost = "2.8 x the time, 1.6 x the memory",
     // As the authors released them; "paper" and "cifar-paper" have the paper's schedules. Their rates are for the batch as it is.
     .profiles = {{"published",
                   {{"arch", "alexnet"},
                    {"optimizer", "sgd"},
                    {"nesterov", true},
                    {"exclude-1d", false},
                    {"weight-decay", 5e-4},
                    {"batch", 192},
                    {"epochs", 50},
                    {"lr", 0.01},
                    {"lr-batch", 0},
                    {"schedule", "steps"},
                    {"lr-steps", {15, 30, 45}},
                    {"lr-gamma", 0.1}}},
                  {"paper", {{"epochs", 30}, {"lr-steps", {10, 20}}}},
                  {"cifar", on_cifar({})},
                  {"cifar-paper", on_cifar({{"epochs", 100}, {"lr-steps", {30, 60, 80}}})},
                  {"small", on_cifar({{"arch", "resnet18"}, {"stem", "cifar"}})}},
     .make = [] { return std::make_shared<Rotnet>(); }});
}  // namespace

}  // namespace selfsight::methods
