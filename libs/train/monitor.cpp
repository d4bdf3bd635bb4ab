#include "train/monitor.h"

#include "nn/neighbours.h"
#include "nn/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace selfsight::train {

double CollapseMonitor::spread(const torch::Tensor& embedding) {
  const torch::NoGradGuard no_grad;
  return nn::feature_std(embedding.detach().to(torch::kFloat32)) * std::sqrt(static_cast<double>(embedding.size(1)));
}

std::optional<std::string> CollapseMonitor::look(double spread, double loss, double uniform_loss) {
  low_ = spread < 0.02 ? low_ + 1 : 0;
  uniform_ = uniform_loss > 0 && std::abs(loss - uniform_loss) < 1e-3 * uniform_loss ? uniform_ + 1 : 0;
  if (!first_loss_ && std::isfinite(loss)) first_loss_ = std::abs(loss);
  grown_ = first_loss_ && std::abs(loss) > grown * std::max(*first_loss_, 1.0) ? grown_ + 1 : 0;
  if (grown_ == patience_grown && low_ != patience && uniform_ != patience)
    return fmt::format(
        "the loss has grown from {:.4g} to {:.4g}: training diverges. Usual causes: learning rate too high, warm-up too short",
        *first_loss_, loss);
  if (low_ == patience)
    return fmt::format(
        "the features have collapsed: all embeddings of a batch are nearly the same (spread {:.4f}, 1 is even). Usual causes: learning "
        "rate too high, "
        "momentum or stop-gradient missing, batch too small",
        spread);
  if (uniform_ == patience)
    return fmt::format(
        "the loss stays at {:.4f} = ln K, the loss of a network that says the same of every image. Usual causes: learning rate too high or "
        "warm-up too "
        "short, temperature too high, or bad input",
        uniform_loss);
  return std::nullopt;
}

OnlineKnn::OnlineKnn(std::shared_ptr<const data::Source> source, std::int64_t bank, std::int64_t queries, std::int64_t k,
                     double temperature, std::uint64_t seed)
    : source_(std::move(source)), k_(k), temperature_(temperature) {
  const auto labels = data::labels_of(*source_);
  std::vector<std::int64_t> labelled;
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= 0) labelled.push_back(static_cast<std::int64_t>(i));
  if (labelled.size() < 4) return;
  for (const auto i : labelled) classes_ = std::max(classes_, labels[static_cast<std::size_t>(i)] + 1);
  core::Rng rng(seed, core::Stream::eval);
  rng.shuffle(labelled);
  const auto n = static_cast<std::int64_t>(labelled.size());
  queries = std::min(queries, n / 4);
  bank = std::min(bank, n - queries);
  queries_.assign(labelled.begin(), labelled.begin() + queries);
  bank_.assign(labelled.begin() + queries, labelled.begin() + queries + bank);
  k_ = std::min(k_, bank);
}

OnlineKnn::Result OnlineKnn::evaluate(nn::Backbone& backbone, const Normalisation& normalisation, std::int64_t size,
                                      const torch::Device& device, const EmbedOptions& options) const {
  const auto bank = embed(backbone, normalisation, size, source_, bank_, device, options);
  const auto queries = embed(backbone, normalisation, size, source_, queries_, device, options);
  Result result;
  result.accuracy = nn::knn_accuracy(bank.features, bank.labels, queries.features, queries.labels, k_, temperature_, classes_);
  result.effective_rank = nn::effective_rank(queries.features);
  result.spread = nn::feature_std(queries.features) * std::sqrt(static_cast<double>(queries.features.size(1)));
  return result;
}

}  // namespace selfsight::train
