// What sees the images themselves rather than stored features: fine-tuning, and the linear probe under augmentation.
#pragma once

#include "tasks/crop_training.h"
#include "tasks/probe_linear.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace selfsight::tasks {

/// Feeds the linear probe with features of freshly cropped images, the backbone frozen in eval mode: one pass over `samples` an epoch.
/// `inside` is indexed by sample; features are standardised with `mean` and `stddev` (D). Several ranks share each batch's images, and all
/// get the whole.
LinearFeed augmented_feed(const Subject& subject, const OpenSplit& split, const std::vector<std::int64_t>& samples,
                          const torch::Tensor& inside, const torch::Tensor& mean, const torch::Tensor& stddev, const LinearOptions& linear,
                          const CropOptions& crop, const EmbedRun& run);

struct FineTuneOptions {
  std::int64_t epochs = 10, batch = 128;
  std::int64_t least_steps = 300;  ///< few labels get more epochs until there are so many
  double learning_rate = 0.001, weight_decay = 0.05,
         warmup = 0.1;       ///< AdamW at every batch size; warm-up as a share of all steps, then cosine
  double layer_decay = 1.0;  ///< factor on the learning rate from each block to the one before it (BEiT, MAE: 0.65 to 0.75)
  std::uint64_t seed = 0;
};

struct FineTuned {
  torch::Tensor predictions;  ///< one a sample of the test split
  std::int64_t epochs = 0;    ///< as trained
  double loss = 0;            ///< mean over the last epoch's batches
};

/// Trains a copy of the subject's network with a linear layer on top on `samples` of `train`, and predicts all of `test` (evaluation view).
/// The subject's own network stays as it is. Several ranks share each batch where it divides among them; otherwise each trains alike on the
/// whole of it. Error: bad_data when the loss is not finite.
FineTuned fine_tune(const Subject& subject, const OpenSplit& train, const std::vector<std::int64_t>& samples, const OpenSplit& test,
                    std::int64_t classes, const FineTuneOptions& options, const CropOptions& crop, const EmbedRun& run);

}  // namespace selfsight::tasks
