#include "methods/swav.h"

#include "nn/losses.h"
#include "nn/sinkhorn.h"

#include <cmath>

namespace selfsight::methods {

namespace {
constexpr std::size_t globals = 2;
}

void Swav::describe(core::Options& o) {
  o.group("SwAV");
  o.add("temperature", &options_.temperature, "tau of the predictions").range(0.001, 10);
  o.add("epsilon", &options_.epsilon, "eps, entropy weight of the assignments").range(0.001, 10);
  o.add("sinkhorn", &options_.sinkhorn_iterations, "Sinkhorn iterations").range(0, 1000);
  o.add("prototypes", &options_.prototypes, "K, prototypes").range(2, 1 << 20);
  o.add("dim", &options_.dim, "dimension of embeddings and prototypes").range(1, 1 << 16);
  o.add("hidden", &options_.hidden, "hidden width of the projector").range(1, 1 << 16);
  o.add("queue", &options_.queue, "Q, past embeddings of each global crop that assignments are balanced over; 0: none").range(0, 1 << 24);
  o.add("queue-epoch", &options_.queue_epoch, "epoch from which on the queue is filled").range(0, 1e6);
  o.add("freeze-prototypes", &options_.freeze_steps, "F, updates during which the prototypes stay as they are").range(0);
  options_.views.describe(o);
}

std::vector<data::ViewSpec> Swav::views(std::int64_t image) const { return train::view_specs(options_.views.recipes(), image); }

void Swav::build(const train::Setup& setup) {
  auto backbone = nn::make_backbone(setup.backbone);
  nn::MlpOptions head{.dims = {backbone->feature_dim(), options_.hidden, options_.dim}, .batch_norm = true, .bias_before_norm = true};
  encoder_ = register_module("encoder", nn::make_encoder(std::move(backbone), head));
  prototypes_ = register_module("prototypes", std::make_shared<nn::Prototypes>(options_.dim, options_.prototypes));
  if (options_.queue > 0)
    for (std::size_t crop = 0; crop < globals; ++crop)
      queues_.push_back(register_module("queue" + std::to_string(crop), std::make_shared<nn::Queue>(options_.queue, options_.dim)));
}

torch::Tensor Swav::assign(const torch::Tensor& scores, const torch::Tensor& z, std::size_t crop, const train::Progress& progress) {
  const torch::NoGradGuard no_grad;
  torch::Tensor all = scores.detach();
  if (!queues_.empty() && progress.epochs() >= options_.queue_epoch) {
    auto& queue = *queues_[crop];
    if (queue.full()) {  // a share of them for each rank
      const torch::Tensor past = queue.newest_first();
      const auto [begin, end] = ranks().own_part(past.size(0));
      all = torch::cat({prototypes_->forward(past.slice(0, begin, end)), all});
    }
    queue.stage(z.detach().to(torch::kFloat32));
  }
  return nn::sinkhorn(all, options_.epsilon, options_.sinkhorn_iterations, ranks()).slice(0, -scores.size(0));
}

train::Outcome Swav::step(const train::Views& views, const train::Progress& progress) {
  prototypes_->normalize();
  const auto embeddings = nn::forward_by_size(*encoder_, views.x);
  std::vector<torch::Tensor> z, scores;
  for (const auto& embedding : embeddings) {
    z.push_back(nn::unit_rows(embedding));
    scores.push_back(prototypes_->forward(z.back()));
  }
  torch::Tensor loss = torch::zeros({}, scores[0].options().dtype(torch::kFloat32));
  torch::Tensor usage;
  for (std::size_t a = 0; a < globals; ++a) {
    const torch::Tensor q = assign(scores[a], z[a], a, progress);
    usage = usage.defined() ? usage + q.mean(0) : q.mean(0);
    for (std::size_t v = 0; v < scores.size(); ++v)
      if (v != a) loss = loss + nn::soft_cross_entropy(q, scores[v] / options_.temperature);
  }
  train::Outcome out;
  out.loss = loss / static_cast<double>(globals * (scores.size() - 1));
  out.embedding = z[0];
  out.uniform_loss = std::log(static_cast<double>(options_.prototypes));
  usage = ranks().mean(usage / usage.sum());
  out.scalars["prototype_entropy"] = -(usage * (usage + 1e-12).log()).sum() / out.uniform_loss;  // 1: all used alike
  return out;
}

void Swav::after_backward(const train::Progress& progress) {
  // No gradient, not a zero one: decay and momentum must leave frozen prototypes alone too.
  if (progress.step < options_.freeze_steps)
    for (auto& parameter : prototypes_->parameters()) parameter.mutable_grad() = torch::Tensor();
}

void Swav::after_update(const train::Progress&) {
  for (auto& queue : queues_) queue->commit();
}

void Swav::after_skip(const train::Progress&) {
  for (auto& queue : queues_) queue->discard();
}

namespace {
const bool registered = train::MethodRegistry::instance().add(
    "swav",
    {.title = "SwAV",
     .paper = "Caron et al., Unsupervised Learning of Visual Features by Contrasting Cluster Assignments, NeurIPS 2020, arXiv 2006.09882",
     .summary = "Predict one view's balanced prototype assignment (Sinkhorn) from the other views, with multi-crop.",
     .needs = "two global and several local views",
     .cost = "1.9 x the time, 1.2 x the memory",
     .profiles = {{"published",
                   {{"arch", "resnet50"},
                    {"optimizer", "lars"},
                    {"lr", 0.3},
                    {"min-lr", 0.0048},
                    {"batch", 4096},
                    {"epochs", 800},
                    {"warmup-epochs", 10},
                    {"warmup-lr", 0.3},
                    {"weight-decay", 1e-6},
                    {"exclude-1d", false}}},
                  {"batch256",
                   {{"lr", 0.6},
                    {"min-lr", 0.0006},
                    {"batch", 256},
                    {"epochs", 200},
                    {"warmup-epochs", 0},
                    {"warmup-lr", 0.0},
                    {"freeze-prototypes", 5005},
                    {"queue", 3840}}},
                  {"small",
                   {{"arch", "resnet18"},
                    {"stem", "cifar"},
                    {"prototypes", 100},
                    {"epsilon", 0.03},  // with 0.05 a small network stays at ln K (the release advises the same)
                    {"hidden", 512},
                    {"global-size", 0},
                    {"global-blur", 0.0},
                    {"local-size", 16},
                    {"local-blur", 0.0},
                    {"locals", 4},
                    {"global-scale-min", 0.3},
                    {"local-scale-min", 0.1},
                    {"local-scale-max", 0.3},
                    {"optimizer", "sgd"},
                    {"lr", 0.12},
                    {"min-lr", 0.0},
                    {"batch", 256},
                    {"epochs", 200},
                    {"warmup-epochs", 1},
                    {"warmup-lr", 0.0},
                    {"weight-decay", 5e-4},
                    {"freeze-prototypes", 100}}}},
     .make = [] { return std::make_shared<Swav>(); }});
}  // namespace

}  // namespace selfsight::methods
