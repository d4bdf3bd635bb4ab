// The batches of a run as tensors on its device, whichever half of the data path makes the views: the loader's workers, or the device.
#pragma once

#include "data/loader.h"
#include "kernels/device_views.h"
#include "train/tensors.h"

#include <exception>
#include <memory>
#include <optional>
#include <vector>

namespace selfsight::train {

struct Fed {
  std::shared_ptr<const data::Batch> batch;
  std::vector<torch::Tensor> x;  ///< of each view, normalised, as to_tensor gives it
};

struct FeedOptions {
  std::uint64_t seed = 0;
  data::LoaderOptions loader;
  Normalisation normalisation;
  std::int64_t channels = 3;
  torch::Device device = torch::kCPU;
  bool on_device = false;  ///< views are made by the device half (on a CPU: by its twin)
};

class Feed {
 public:
  /// Errors: as Loader's and, on the device, DeviceViews'.
  Feed(const std::shared_ptr<const data::Source>& source, const std::vector<data::ViewSpec>& views, const FeedOptions& options);
  /// As Loader::start.
  void start(data::EpochPlan plan, std::int64_t epoch, std::int64_t first);
  /// The next batch, or none at the end of the epoch. Error: as Loader::next.
  std::optional<Fed> next();
  /// Another will be asked for: if the loader has it, the device begins with it. To be called once the network's work on this one is
  /// launched, so that the host's part in the next falls into its time.
  void look_ahead();
  [[nodiscard]] data::Loader& loader() { return loader_; }
  /// Seconds that the caller spent on the way from the loader's batches to tensors.
  [[nodiscard]] double transfer() const { return transfer_; }

 private:
  struct Begun {
    std::shared_ptr<const data::Batch> batch;
    std::vector<torch::Tensor> x;   ///< views that the loader's workers made
    kernels::ViewsUnderWay views;   ///< those that the device makes
    std::exception_ptr error = {};  ///< of the loader, for whoever asks for this batch
  };
  [[nodiscard]] std::optional<Begun> begin();
  Fed finish(Begun begun);

  FeedOptions options_;
  std::unique_ptr<kernels::DeviceViews> device_views_;
  std::optional<Begun> ahead_;
  double transfer_ = 0;
  data::Loader loader_;  ///< the last member: its workers end before what they use
};

}  // namespace selfsight::train
