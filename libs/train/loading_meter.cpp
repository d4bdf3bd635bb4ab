#include "train/loading_meter.h"

#include "core/progress.h"

#include <algorithm>

namespace selfsight::train {

LoadingMeter::LoadingMeter() : at_(core::monotonic_seconds()) {}

LoadingMeter::Lap LoadingMeter::lap(const data::LoaderTimes& times, double transfer, std::int64_t images) {
  const double now = core::monotonic_seconds(), seconds = std::max(1e-9, now - at_);
  const data::LoaderTimes spent = times.since(times_);
  // The loader is some batches ahead of the trainer, so each counts its own images.
  const double made = static_cast<double>(std::max<std::int64_t>(spent.images, 1)) / 1000,
               taken = static_cast<double>(std::max<std::int64_t>(images - images_, 1)) / 1000;
  Lap out{.images_per_second = static_cast<double>(images - images_) / seconds,
          .waiting = std::max(0.0, spent.wait) / seconds,
          .stages = {{"read", spent.read / made},
                     {"decode", spent.decode / made},
                     {"augment", spent.augment / made},
                     {"transfer", (transfer - transfer_) / taken}}};
  at_ = now, transfer_ = transfer, times_ = times, images_ = images;
  return out;
}

}  // namespace selfsight::train
