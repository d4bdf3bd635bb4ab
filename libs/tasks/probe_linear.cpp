#include "tasks/probe_linear.h"

#include "core/error.h"
#include "data/plan.h"
#include "train/schedule.h"

#include <cmath>

namespace selfsight::tasks {

namespace {

using torch::Tensor;

/// H heads side by side: one matrix product computes them all. Head h < H / 2 has rate h and sees only what is inside; H / 2 + h is its
/// twin.
class Heads {
 public:
  Heads(std::int64_t dim, std::int64_t classes, const LinearOptions& options, const torch::TensorOptions& like)
      : classes_(classes),
        rates_(static_cast<std::int64_t>(options.learning_rates.size())),
        momentum_(options.momentum),
        decay_(options.weight_decay),
        weight_(torch::zeros({dim, 2 * rates_ * classes}, like)),
        bias_(torch::zeros({2 * rates_ * classes}, like)),
        weight_momentum_(torch::zeros_like(weight_)),
        bias_momentum_(torch::zeros_like(bias_)) {
    const Tensor rates = torch::tensor(options.learning_rates, torch::kFloat64).to(like);
    column_rates_ = torch::cat({rates, rates}).repeat_interleave(classes);
  }

  void step(const Tensor& x, const Tensor& y, const Tensor& inside, double schedule) {
    if (rates_ == 0) return;  // of more ranks than rates
    const std::int64_t count = x.size(0);
    const Tensor logits = torch::addmm(bias_, x, weight_).view({count, 2, rates_, classes_});
    const Tensor residual = torch::softmax(logits, 3);
    residual.scatter_add_(3, y.view({count, 1, 1, 1}).expand({count, 2, rates_, 1}), torch::full({count, 2, rates_, 1}, -1.0, x.options()));
    const Tensor seen = inside.to(x.scalar_type());
    residual.select(1, 0).mul_((seen / seen.sum().clamp_min(1)).view({count, 1, 1}));
    residual.select(1, 1).div_(static_cast<double>(count));
    const Tensor flat = residual.view({count, -1});
    weight_momentum_.mul_(momentum_).addmm_(x.t(), flat);
    if (decay_ > 0) weight_momentum_.add_(weight_, decay_);
    bias_momentum_.mul_(momentum_).add_(flat.sum(0));
    weight_.addcmul_(weight_momentum_, column_rates_, -schedule);
    bias_.addcmul_(bias_momentum_, column_rates_, -schedule);
  }

  /// Accuracy on x of the heads that saw only what is inside, one a rate; -1 for a head that is not finite.
  [[nodiscard]] std::vector<double> judge(const Tensor& x, const Tensor& y) const {
    std::vector<double> out;
    for (std::int64_t h = 0; h < rates_; ++h) {
      const auto [weight, bias] = head(h);
      const bool finite = torch::isfinite(weight).all().item<bool>();
      out.push_back(finite ? (torch::addmm(bias, x, weight).argmax(1) == y).to(torch::kFloat64).mean().item<double>() : -1.0);
    }
    return out;
  }

  [[nodiscard]] std::pair<Tensor, Tensor> head(std::int64_t h) const {
    return {weight_.narrow(1, h * classes_, classes_).clone(), bias_.narrow(0, h * classes_, classes_).clone()};
  }
  [[nodiscard]] std::pair<Tensor, Tensor> twin(std::int64_t h) const { return head(rates_ + h); }

 private:
  std::int64_t classes_, rates_;
  double momentum_, decay_;
  Tensor weight_, bias_, weight_momentum_, bias_momentum_, column_rates_;
};

}  // namespace

LinearFit train_linear(const LinearFeed& feed, std::int64_t steps, std::int64_t classes, const Tensor& held_x, const Tensor& held_y,
                       const LinearOptions& options, const dist::Ranks& ranks) {
  const torch::NoGradGuard no_grad;
  const auto [first, end] = ranks.own_part(static_cast<std::int64_t>(options.learning_rates.size()));
  LinearOptions own = options;
  own.learning_rates = {options.learning_rates.begin() + first, options.learning_rates.begin() + end};
  Heads heads(held_x.size(1), classes, own, held_x.options());
  std::int64_t done = 0;
  const std::int64_t total = options.epochs * steps;
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch)
    feed(epoch, [&](const Tensor& x, const Tensor& y, const Tensor& inside) {
      heads.step(x, y, inside, train::cosine(1, 0, static_cast<double>(done++) / static_cast<double>(total)));
    });

  LinearFit out;
  const torch::Tensor accuracies = ranks.gather_parts(torch::tensor(heads.judge(held_x, held_y), torch::kFloat64));
  out.held_out_accuracy.assign(accuracies.const_data_ptr<double>(), accuracies.const_data_ptr<double>() + accuracies.numel());
  std::size_t best = 0;
  for (std::size_t h = 1; h < out.held_out_accuracy.size(); ++h) {
    const double more = out.held_out_accuracy[h] - out.held_out_accuracy[best];
    if (more > 0 || (more == 0 && options.learning_rates[h] < options.learning_rates[best])) best = h;
  }
  out.learning_rate = options.learning_rates[best];
  const auto chosen = static_cast<std::int64_t>(best);
  out.weight = torch::zeros({held_x.size(1), classes}, held_x.options());
  out.bias = torch::zeros({classes}, held_x.options());
  if (chosen >= first && chosen < end) std::tie(out.weight, out.bias) = heads.twin(chosen - first);
  for (const Tensor& part : {out.weight, out.bias}) ranks.sum_(part);  // of one rank's and zeros
  if (out.held_out_accuracy[best] < 0 || !torch::isfinite(out.weight).all().item<bool>())
    core::fail(core::Exit::bad_data,
               "the linear probe diverged at every learning rate: are the features finite? (lower --linear-lr otherwise)");
  return out;
}

LinearFeed fixed_feed(const Tensor& x, const Tensor& y, const Tensor& inside, std::int64_t batch, std::uint64_t seed) {
  return [=](std::int64_t epoch, const UseBatch& use) {
    std::vector<std::int64_t> order;
    for (const auto& draws : data::shuffled_plan(x.size(0), batch, seed, epoch, /*drop_last=*/false)) {
      order.clear();
      for (const auto& draw : draws) order.push_back(draw.sample);
      const Tensor rows = torch::tensor(order).to(x.device());
      use(x.index_select(0, rows), y.index_select(0, rows), inside.index_select(0, rows));
    }
  };
}

}  // namespace selfsight::tasks
