// HSA: Xu et al., Hierarchical Semantic Aggregation for Contrastive Representation Learning, 2020, arXiv 2012.02733v1 (v2: Seed the Views:
// Hierarchical Semantic Alignment for Contrastive Representation Learning).
//
// The release holds the sample-level part only. The hierarchical part follows the abstracts and is our reading: at each early stage the map
// is lifted by a residual bottleneck of its own (`--stage-head conv`: by a 1x1 convolution), pooled, projected, and has the same loss with
// the same neighbours, which are mined at the last layer, and a queue of its own.
//
// Not here: multi-crop, patches as positives, one queue for all levels.
#pragma once

#include "methods/bags.h"
#include "nn/heads.h"

#include <string>
#include <vector>

namespace selfsight::methods {

struct HsaOptions {
  double momentum = 0.999;  ///< m of the key encoder
  std::int64_t dim = 128;
  std::int64_t refresh = 5;                      ///< epochs between searches for neighbours
  std::vector<std::string> stages = {"layer3"};  ///< S, taps of the backbone (layer3 is the paper's conv4)
  double stage_weight = 0.5;                     ///< w_s
  std::string stage_head = "bottleneck";         ///< or "conv"
};

/// A backbone with a head on its last features and one on the map of each early stage.
class StagedEncoder : public torch::nn::Module {
 public:
  StagedEncoder(const nn::BackboneOptions& backbone, const HsaOptions& options);
  /// x: N x C x H x W. Returns N x ((1 + stages) * dim), the last layer's embedding first.
  torch::Tensor forward(const torch::Tensor& x);

  std::shared_ptr<nn::Backbone> backbone;
  std::shared_ptr<nn::Mlp> head;

 private:
  nn::Taps taps_;
  std::vector<std::string> stages_;
  std::vector<torch::nn::Sequential> lifts_;
  std::vector<std::shared_ptr<nn::Mlp>> stage_heads_;
};

class Hsa : public BagMethod {
 public:
  void describe(core::Options& options) override;
  void build(const train::Setup& setup) override;
  void before_epoch(const train::EpochContext& context) override;
  void after_update(const train::Progress& progress) override;
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return query_->backbone; }
  [[nodiscard]] std::map<std::string, std::shared_ptr<torch::nn::Module>> heads() override { return {{"projector", query_->head}}; }

 protected:
  torch::Tensor queries(const torch::Tensor& x) override;
  torch::Tensor keys(const torch::Tensor& x) override;

 private:
  HsaOptions options_;
  std::shared_ptr<StagedEncoder> query_, key_;
};

}  // namespace selfsight::methods
