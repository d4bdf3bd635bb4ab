// G-SimCLR: Chakraborty, Gosthipaty, Paul, G-SimCLR: Self-Supervised Contrastive Learning with Guided Projection via Pseudo Labelling, ICDM
// workshops 2020, arXiv 2009.12007. SimCLR in batches that hold no two images of one cluster, until the smallest cluster is used up; the
// clusters never enter the loss.
//
// The stages are programs: `ssl-pretrain dae` trains the denoising autoencoder, `ssl-embed` takes its codes, `ssl-plan batches` clusters
// them and writes the batches, and this method, like any other, takes those by --plan. So its baseline is the same command with another
// plan.
//
// Readings: the released encoder is a bottleneck ResNet of 38 layers for CIFAR; here it is the ResNet that --arch names. The release lets
// the cosine start again after 1000, 3000, 7000 ... steps; here it is one cosine. Its loss of colour has no effect, and is off here. Within
// a cluster it takes the images in the order of its data set, which is shuffled already; here they are shuffled by the seed (ssl-plan
// batches --within).
#pragma once

#include "methods/simclr.h"

namespace selfsight::methods {

class GSimclr : public Simclr {
 public:
  void describe(core::Options& options) override;
  /// Error: usage without a plan.
  void build(const train::Setup& setup) override;
  [[nodiscard]] std::int64_t embedding_dim() const override { return widths_.back(); }

 protected:
  /// 256, 128, 50 with ReLU between them and no normalisation, as in the released notebooks.
  [[nodiscard]] nn::MlpOptions head(std::int64_t features) const override;

 private:
  std::vector<std::int64_t> widths_ = {256, 128, 50};
};

}  // namespace selfsight::methods
