// Hallucinator: Wu, Hobbs, Hovakimyan, Hallucination Improves the Performance of Unsupervised Visual Representation Learning, ICCV 2023,
// arXiv 2307.12168. A modifier: `--with hallucinator` around simclr, moco or simsiam.
//
// Readings: a key is enqueued once (the release enqueues it twice, once for each of its queries). Around SimCLR the doubled keys stay in
// the denominator, as in the plain NT-Xent of the enlarged set, so that its loss does not fall below ln 2. Around SimSiam the predictions
// are extrapolated, each away from the other view's prediction, and compared with the detached projection, as released; r is one number a
// batch everywhere (the release draws one for each direction of SimSiam).
#pragma once

#include "nn/heads.h"
#include "train/method.h"

#include <string>

namespace selfsight::methods {

struct HallucinatorOptions {
  double extrapolation = 0.1;   ///< r is drawn from U(0, this)
  std::int64_t hidden = 0;      ///< width of M's two hidden layers; 0: twice a query's
  std::string module = "mlp";   ///< M: "mlp", "none" (q~ = e, the linear arm) or "off" (no further queries: the crop alone)
  double suppress_alpha = 0.1;  ///< of the first view's crop; 0: an ordinary crop
  std::vector<double> box = {0.25, 0.75};
};

class Hallucinator : public train::Modifier {
 public:
  /// Error: usage for a host that does not compare pairs.
  explicit Hallucinator(std::shared_ptr<train::Method> host);
  void describe(core::Options& options) override;
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override;
  void build(const train::Setup& setup) override;
  train::Outcome step(const train::Views& views, const train::Progress& progress) override;
  /// q~ = M([q; (1 + r) q - r k]), N x D each.
  torch::Tensor hallucinate(const torch::Tensor& query, const torch::Tensor& key, double r);

 private:
  HallucinatorOptions options_;
  train::PairMethod& pairs_;
  std::shared_ptr<nn::Mlp> generator_;
};

}  // namespace selfsight::methods
