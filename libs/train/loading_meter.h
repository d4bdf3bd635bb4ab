// What the way of an image to the network costs, from one look to the next.
#pragma once

#include "data/loader.h"

#include <string>
#include <utility>
#include <vector>

namespace selfsight::train {

class LoadingMeter {
 public:
  LoadingMeter();
  struct Lap {
    double images_per_second = 0;
    double waiting = 0;  ///< share of the time
    std::vector<std::pair<std::string, double>>
        stages;  ///< "read", "decode", "augment", "transfer": milliseconds of one thread for an image
  };
  /// What passed since the last call. `transfer` (seconds) and `images` that the trainer took count from the run's beginning.
  Lap lap(const data::LoaderTimes& times, double transfer, std::int64_t images);

 private:
  double at_, transfer_ = 0;
  data::LoaderTimes times_;
  std::int64_t images_ = 0;
};

}  // namespace selfsight::train
