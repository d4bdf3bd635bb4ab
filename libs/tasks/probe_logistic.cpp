#include "tasks/probe_logistic.h"

#include "tasks/probe_labels.h"

#include <algorithm>
#include <deque>
#include <map>

namespace selfsight::tasks {

namespace {

using torch::Tensor;

constexpr std::size_t history_size = 10;
constexpr std::int64_t slice_elements = 1 << 22;  ///< logits held at a time

/// Sum over everything but the problem. Parameters are D + 1 x P x C: the bias is the last row.
Tensor problem_dot(const Tensor& a, const Tensor& b) { return (a * b).sum(torch::IntArrayRef{0, 2}); }
Tensor per_problem(const Tensor& values) { return values.view({1, -1, 1}); }

/// The samples, and which problems they weigh in.
struct Problems {
  Tensor x, y;       ///< N x D, N
  Tensor weights;    ///< N x P, columns sum to 1
  Tensor strengths;  ///< P
  std::int64_t classes;

  [[nodiscard]] Problems select(const Tensor& kept) const {
    return {x, y, weights.index_select(1, kept), strengths.index_select(0, kept), classes};
  }

  /// Objective (P) and gradient (D + 1 x P x C).
  std::pair<Tensor, Tensor> evaluate(const Tensor& parameters) const {
    const std::int64_t features = x.size(1), problems = weights.size(1), samples = x.size(0);
    const Tensor weight = parameters.narrow(0, 0, features), bias = parameters.select(0, features);
    const Tensor flat = weight.reshape({features, problems * classes});
    Tensor objective = 0.5 * strengths * problem_dot(weight, weight);
    Tensor gradient = torch::zeros_like(parameters);
    Tensor flat_gradient = gradient.narrow(0, 0, features).view({features, problems * classes});
    const std::int64_t rows = std::max<std::int64_t>(1, slice_elements / (problems * classes));
    for (std::int64_t begin = 0; begin < samples; begin += rows) {
      const std::int64_t count = std::min(rows, samples - begin);
      const Tensor part = x.narrow(0, begin, count);
      const Tensor share = weights.narrow(0, begin, count);
      const Tensor target = y.narrow(0, begin, count).view({count, 1, 1}).expand({count, problems, 1});
      Tensor logits = torch::mm(part, flat).view({count, problems, classes}).add_(bias);
      const Tensor log_p = torch::log_softmax(logits, 2);
      objective -= (log_p.gather(2, target).squeeze(2) * share).sum(0);
      const Tensor& residual = log_p.exp_();
      residual.scatter_add_(2, target, torch::full({count, problems, 1}, -1.0, x.options()));
      residual.mul_(share.unsqueeze(2));
      flat_gradient.addmm_(part.t(), residual.view({count, problems * classes}));
      gradient.select(0, features).add_(residual.sum(0));
    }
    gradient.narrow(0, 0, features).addcmul_(per_problem(strengths), weight);
    return {objective, gradient};
  }
};

struct Pair {
  Tensor step, change, inverse;  ///< s, y, and 1 / (s . y) with 0 where a problem did not move
};

/// The two-loop recursion, for every problem at once.
Tensor direction_of(const Tensor& gradient, const std::deque<Pair>& history) {
  Tensor q = gradient.clone();
  std::vector<Tensor> alphas;
  for (auto it = history.rbegin(); it != history.rend(); ++it) {
    alphas.push_back(it->inverse * problem_dot(it->step, q));
    q.addcmul_(per_problem(alphas.back()), it->change, -1);
  }
  if (!history.empty()) {
    const Pair& last = history.back();
    const Tensor scale = torch::where(last.inverse > 0, 1 / (last.inverse * problem_dot(last.change, last.change)).clamp_min(1e-300),
                                      torch::ones_like(last.inverse));
    q.mul_(per_problem(scale));
  }
  auto alpha = alphas.rbegin();
  for (auto it = history.begin(); it != history.end(); ++it, ++alpha) {
    const Tensor beta = it->inverse * problem_dot(it->change, q);
    q.addcmul_(per_problem(*alpha - beta), it->step);
  }
  return q.neg_();
}

Tensor as_tensor(const std::vector<double>& values, const torch::TensorOptions& options) {
  return torch::tensor(values, torch::kFloat64).to(options);
}

}  // namespace

LogisticFit fit_logistic(const Tensor& x, const Tensor& y, std::int64_t classes, const std::vector<double>& strengths,
                         const Tensor& weights, const LogisticOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto problems = static_cast<std::int64_t>(strengths.size());
  const std::int64_t features = x.size(1);
  Tensor share = weights.defined() ? weights.to(x.options()) : torch::ones({x.size(0), problems}, x.options());
  share = share / share.sum(0, true);
  Problems active{x, y, share, as_tensor(strengths, x.options()), classes};

  Tensor result = torch::zeros({features + 1, problems, classes}, x.options());
  LogisticFit out;
  out.objective.resize(strengths.size());
  std::vector<std::int64_t> names(strengths.size());  // which problem each active one is
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = static_cast<std::int64_t>(i);

  Tensor parameters = result.clone();
  auto [objective, gradient] = active.evaluate(parameters);
  std::deque<Pair> history;
  const double least_decrease = x.scalar_type() == torch::kFloat64 ? 1e-13 : 1e-7;
  Tensor stalled = torch::zeros({problems}, x.options().dtype(torch::kBool));

  for (std::int64_t iteration = 0;; ++iteration) {
    const Tensor done = (gradient.abs().amax(torch::IntArrayRef{0, 2}) <= options.tolerance).logical_or_(stalled).to(torch::kCPU);
    const bool last = iteration == options.iterations;
    std::vector<std::int64_t> kept, kept_names;
    for (std::int64_t p = 0; p < done.size(0); ++p) {
      const std::int64_t name = names[static_cast<std::size_t>(p)];
      if (last || done[p].item<bool>()) {
        result.select(1, name).copy_(parameters.select(1, p));
        out.objective[static_cast<std::size_t>(name)] = objective[p].item<double>();
      } else {
        kept.push_back(p);
        kept_names.push_back(name);
      }
    }
    out.iterations = iteration;
    if (kept.empty()) break;
    if (kept.size() < names.size()) {  // those that are done cost nothing more
      const Tensor index = torch::tensor(kept).to(x.device());
      active = active.select(index);
      parameters = parameters.index_select(1, index);
      gradient = gradient.index_select(1, index);
      objective = objective.index_select(0, index);
      for (Pair& pair : history)
        pair = {pair.step.index_select(1, index), pair.change.index_select(1, index), pair.inverse.index_select(0, index)};
      names = kept_names;
    }

    const Tensor direction = direction_of(gradient, history);
    const Tensor slope = problem_dot(gradient, direction);
    Tensor length = torch::ones_like(slope);
    if (history.empty()) length = (1 / problem_dot(gradient, gradient).sqrt()).clamp_max(1);
    Tensor moved, moved_objective, moved_gradient, fine;
    for (int halving = 0; halving < 25; ++halving) {
      moved = parameters + per_problem(length) * direction;
      std::tie(moved_objective, moved_gradient) = active.evaluate(moved);
      fine = moved_objective <= objective + 1e-4 * length * slope;
      if (fine.all().item<bool>()) break;
      length = torch::where(fine, length, 0.5 * length);
    }
    // Where no step goes down any more, rounding is all that is left.
    moved = torch::where(per_problem(fine), moved, parameters);
    moved_gradient = torch::where(per_problem(fine), moved_gradient, gradient);
    moved_objective = torch::where(fine, moved_objective, objective);
    stalled = (objective - moved_objective) <= least_decrease * objective.abs();

    Pair pair{moved - parameters, moved_gradient - gradient, {}};
    const Tensor curvature = problem_dot(pair.step, pair.change);
    const Tensor usable = curvature > 1e-10 * problem_dot(pair.change, pair.change);
    pair.inverse = torch::where(usable, 1 / curvature, torch::zeros_like(curvature));
    history.push_back(std::move(pair));
    if (history.size() > history_size) history.pop_front();
    parameters = moved;
    gradient = moved_gradient;
    objective = moved_objective;
  }
  out.weight = result.narrow(0, 0, features).permute({1, 0, 2}).contiguous();
  out.bias = result.select(0, features).contiguous();
  return out;
}

namespace {

struct Choice {
  std::size_t strength = 0;
  std::vector<double> accuracy;
};

/// Fits every strength on every fold at once and judges each on what its fold left out.
Choice cross_validate(const Tensor& x, const Tensor& y, std::int64_t classes, const std::vector<double>& strengths,
                      const std::vector<std::int64_t>& fold_of, std::int64_t folds, const LogisticOptions& options) {
  const auto count = static_cast<std::int64_t>(strengths.size());
  const Tensor fold = torch::tensor(fold_of).to(x.device());
  std::vector<double> repeated;
  std::vector<Tensor> columns;
  for (std::int64_t f = 0; f < folds; ++f) {
    repeated.insert(repeated.end(), strengths.begin(), strengths.end());
    columns.push_back((fold != f).to(x.scalar_type()).unsqueeze(1).expand({x.size(0), count}));
  }
  const LogisticFit fit = fit_logistic(x, y, classes, repeated, torch::cat(columns, 1), options);

  Tensor right = torch::zeros({count}, torch::kFloat64), loss = torch::zeros({count}, torch::kFloat64);
  std::int64_t judged = 0;
  for (std::int64_t f = 0; f < folds; ++f) {
    const Tensor rows = (fold == f).nonzero().squeeze(1);
    const Tensor target = y.index_select(0, rows);
    judged += rows.size(0);
    const Tensor left_out = x.index_select(0, rows);
    for (std::int64_t s = 0; s < count; ++s) {
      const std::int64_t p = f * count + s;
      const Tensor log_p = torch::log_softmax(torch::addmm(fit.bias[p], left_out, fit.weight[p]), 1);
      right[s] += (log_p.argmax(1) == target).sum().to(torch::kCPU, torch::kFloat64);
      loss[s] -= log_p.gather(1, target.unsqueeze(1)).sum().to(torch::kCPU, torch::kFloat64);
    }
  }
  Choice out;
  for (std::size_t s = 0; s < strengths.size(); ++s) {
    const auto at = static_cast<std::int64_t>(s), best = static_cast<std::int64_t>(out.strength);
    out.accuracy.push_back(right[at].item<double>() / static_cast<double>(judged));
    const double more = right[at].item<double>() - right[best].item<double>();
    if (more > 0 || (more == 0 && loss[at].item<double>() < loss[best].item<double>())) out.strength = s;
  }
  return out;
}

}  // namespace

ProbeFit fit_probe(const Tensor& features, const Tensor& y, std::int64_t classes, const std::vector<double>& strengths, std::uint64_t seed,
                   std::uint64_t draw, const LogisticOptions& options, std::int64_t large) {
  const torch::NoGradGuard no_grad;
  const std::int64_t samples = features.size(0);
  const bool is_large = samples > large;
  Tensor x = is_large ? features : features.to(torch::kFloat64);
  Tensor rotation;
  if (samples < x.size(1)) {
    // X^T = Q R, so X = R^T Q^T: with W = Q W' the logits are R^T W' and the penalty is the same, as Q's columns are orthonormal.
    Tensor r;
    std::tie(rotation, r) = torch::linalg_qr(x.t());
    x = r.t().contiguous();
  }

  const Tensor targets = y.to(torch::kCPU).contiguous();
  const std::span labels(targets.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(samples));
  std::map<std::int64_t, std::int64_t> of_class;
  for (const std::int64_t label : labels) ++of_class[label];
  const std::int64_t smallest =
      std::min_element(of_class.begin(), of_class.end(), [](const auto& a, const auto& b) { return a.second < b.second; })->second;

  ProbeFit out;
  std::size_t chosen = strengths.size() / 2;
  if (strengths.size() > 1 && smallest >= 2) {
    const std::int64_t folds = std::min<std::int64_t>(5, smallest);
    out.folds = is_large ? 1 : folds;
    LogisticOptions quick = options;
    if (is_large) quick.iterations = std::min<std::int64_t>(options.iterations, 60);
    const Choice choice = cross_validate(x, y, classes, strengths, stratified_folds(labels, folds, seed, draw), out.folds, quick);
    chosen = choice.strength;
    out.scores = choice.accuracy;
  }
  out.strength = strengths[chosen];
  const LogisticFit fit = fit_logistic(x, y, classes, {out.strength}, {}, options);
  out.weight = (rotation.defined() ? torch::mm(rotation, fit.weight[0]) : fit.weight[0]).to(features.scalar_type());
  out.bias = fit.bias[0].to(features.scalar_type());
  return out;
}

}  // namespace selfsight::tasks
