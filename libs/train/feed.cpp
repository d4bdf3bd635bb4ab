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

std::optional<Fed> Feed::next(bool more) {
  if (!device_views_) {
    const auto batch = loader_.next();
    if (!batch) return std::nullopt;
    const double start = core::monotonic_seconds();
    Fed fed{batch, {}};
    for (const auto& view : batch->views) fed.x.push_back(to_tensor(view, options_.normalisation, options_.device));
    transfer_ += core::monotonic_seconds() - start;
    return fed;
  }
  std::optional<Begun> now = std::exchange(ahead_, std::nullopt);
  if (!now) now = begin();
  if (!now) return std::nullopt;
  Fed fed = finish(*now);
  if (more && loader_.ready()) {
    try {
      ahead_ = begin();
    } catch (...) {
      ahead_ = Begun{.error = std::current_exception()};
    }
  }
  return fed;
}

std::optional<Feed::Begun> Feed::begin() {
  auto batch = loader_.next();
  if (!batch) return std::nullopt;
  const double start = core::monotonic_seconds();
  std::vector<std::vector<kernels::Request>> requests;
  for (const auto& view : batch->views) {
    auto& of_view = requests.emplace_back();
    for (std::size_t place = 0; place < view.drawn.size(); ++place) of_view.push_back({view.picture[place], view.drawn[place]});
  }
  auto views = device_views_->make(batch->pictures, requests);
  transfer_ += core::monotonic_seconds() - start;
  return Begun{std::move(batch), std::move(views)};
}

Fed Feed::finish(const Begun& begun) {
  if (begun.error) std::rethrow_exception(begun.error);
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
