#include "nn/encoder.h"

#include "core/error.h"

namespace selfsight::nn {

std::shared_ptr<Encoder<Mlp>> make_encoder(std::shared_ptr<Backbone> backbone, const MlpOptions& head) {
  return std::make_shared<Encoder<Mlp>>(std::move(backbone), std::make_shared<Mlp>(head));
}

void check_groups(std::int64_t groups, std::int64_t batch, const dist::Ranks& ranks, const std::string& option) {
  if (batch % groups != 0 || batch / groups < 2)
    core::fail(core::Exit::usage, "{} {}: must divide the batch of {} into groups of at least 2", option, groups, batch);
  if (groups > 1 && groups % ranks.size() != 0)
    core::fail(core::Exit::usage, "{} {}: {} ranks cannot share them evenly; give a multiple of {}, or 1 for one group of all", option,
               groups, ranks.size(), ranks.size());
}

}  // namespace selfsight::nn
