#include "train/feed.h"

#include "core/progress.h"

#include <utility>

namespace selfsight::train {

namespace {

std::unique_ptr<kernels::DeviceViews> device_half(const std::vector<data::ViewSpec>& views, const FeedOptions& options) {
  if (!options.on_device) return nullptr;
  kernels::DeviceViewsOptions device;
  for (const auto& view : views) device.recipes.push_back(view.recipe);
  device.channels = options.channels;
  device.mean = options.normalisation.mean;
  device.stddev = options.normalisation.stddev;
  device.device = options.device;
  device.threads = static_cast<int>(options.loader.workers);
  return std::make_unique<kernels::DeviceViews>(std::move(device));
}

data::Loader::HandsOver rule(const FeedOptions& options) {
  if (!options.on_device) return nullptr;
  return [channels = options.channels](const data::Stored& stored) { return kernels::suits_device(stored, channels); };
}

}  // namespace

Feed::Feed(const std::shared_ptr<const data::Source>& source, const std::vector<data::ViewSpec>& views, const FeedOptions& options)
    : options_(options),
      device_views_(device_half(views, options)),
      loader_({source}, views, options.seed, options.loader, rule(options)) {}

void Feed::start(data::EpochPlan plan, std::int64_t epoch, std::int64_t first) {
  ahead_.reset();
  loader_.start(std::move(plan), epoch, first);
}

std::optional<Fed> Feed::next() {
  std::optional<Begun> now = std::exchange(ahead_, std::nullopt);
  if (!now) now = begin();
  if (!now) return std::nullopt;
  return finish(std::move(*now));
}

void Feed::look_ahead() {
  const bool at_once = !device_views_ && options_.device.is_cpu();  // nothing would fall into anything's time
  if (at_once || ahead_ || !loader_.ready()) return;
  try {
    ahead_ = begin();
  } catch (...) {
    ahead_ = Begun{.error = std::current_exception()};
  }
}

std::optional<Feed::Begun> Feed::begin() {
  auto batch = loader_.next();
  if (!batch) return std::nullopt;
  const double start = core::monotonic_seconds();
  Begun begun{.batch = batch};
  if (device_views_) {
    std::vector<std::vector<kernels::Request>> requests;
    for (const auto& view : batch->views) {
      auto& of_view = requests.emplace_back();
      for (std::size_t place = 0; place < view.drawn.size(); ++place) of_view.push_back({view.picture[place], view.drawn[place]});
    }
    begun.views = device_views_->make(batch->pictures, requests);
  } else {
    for (const auto& view : batch->views) begun.x.push_back(to_tensor(view, options_.normalisation, options_.device));
  }
  transfer_ += core::monotonic_seconds() - start;
  return begun;
}

Fed Feed::finish(Begun begun) {
  if (begun.error) std::rethrow_exception(begun.error);
  if (!device_views_) return {begun.batch, std::move(begun.x)};
  Fed fed{begun.batch, device_views_->take(begun.views)};
  if (begun.views.bad.empty()) return fed;
  std::vector<std::pair<std::size_t, std::string>> unusable;
  for (const auto& bad : begun.views.bad) unusable.emplace_back(bad.picture, bad.reason);
  auto repaired = loader_.without(begun.batch, unusable);
  for (const auto& [bad, good] : repaired.repeated)
    for (auto& x : fed.x) x[bad].copy_(x[good]);
  fed.batch = std::move(repaired.batch);
  return fed;
}

}  // namespace selfsight::train
