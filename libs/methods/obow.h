// OBoW: Gidaris et al., OBoW: Online Bag-of-Visual-Words Generation for Self-Supervised Learning, CVPR 2021, arXiv 2012.11552.
//
// Of the released augmentation one thing is made simpler: it cuts the small patches at 5 of 9 places of a jittered grid from one random
// crop resized to 256 pixels, jittered in colour as a whole. Here each is a random crop of its own, of the same area (a 96 x 96 part of an
// image of which 0.6 to 1 is left) and ratio, with its own colours. The linear classifier that the release trains beside it to watch the
// teacher is the trainer's online kNN of the student.
#pragma once

#include "nn/heads.h"
#include "nn/vocabulary.h"
#include "train/method.h"

namespace selfsight::methods {

struct ObowOptions {
  std::vector<std::string> levels = {"layer3", "layer4"};
  std::int64_t words = 8192;          ///< in each level's vocabulary
  double kappa_d = 15, kappa = 8;     ///< of the codes, of the predictions
  double mu = 0.5, mu_rate = 0.99;    ///< at the start; momentum of its moving average
  double momentum = 0.99;             ///< alpha of the teacher; rises to 1 by a cosine
  std::string pool = "max";           ///< of the codes over places
  std::string word = "local";         ///< what an image gives to the vocabulary
  std::string vocabulary = "online";  ///< or "fixed": the first words that fill it stay
  std::string head = "dynamic";       ///< weights of the predictions made from the words, or "static": trained ones
  std::int64_t hidden = 0;            ///< of the dynamic head; 0: twice the features
  std::int64_t border = 1;            ///< rings of cells cut off the teacher's maps
  std::int64_t larges = 2, smalls = 5;
  data::Recipe full, large, small;

  ObowOptions();
};

/// KL(targets || softmax(logits)), mean over rows; N x K each, rows of targets sum to 1 (section 3.1 with the targets' entropy taken off).
torch::Tensor bow_loss(const torch::Tensor& targets, const torch::Tensor& logits);

class Obow : public train::Method {
 public:
  void describe(core::Options& options) override;
  /// The full view, then the large crops, then the small ones.
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override;
  void build(const train::Setup& setup) override;
  train::Outcome step(const train::Views& views, const train::Progress& progress) override;
  void after_update(const train::Progress& progress) override;
  void after_skip(const train::Progress& progress) override;
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return student_; }

 private:
  struct Level {
    std::string tap;
    std::shared_ptr<nn::Vocabulary> vocabulary;
    std::shared_ptr<nn::Mlp> generator;     ///< G of the dynamic head
    torch::nn::Linear prediction{nullptr};  ///< the static head
  };
  /// words x features, rows of unit length: what predicts the bags of a level.
  [[nodiscard]] torch::Tensor weights(const Level& level) const;

  ObowOptions options_;
  std::shared_ptr<nn::Backbone> student_, teacher_;
  std::vector<Level> levels_;
};

}  // namespace selfsight::methods
