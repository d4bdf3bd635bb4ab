#include "train/journal.h"

#include "core/log.h"

#include <algorithm>

namespace selfsight::train {

namespace fs = core::fs;
using nlohmann::json;

void Journal::open(const json* facts) {
  if (facts != nullptr && !opened_)
    seconds_before_ = facts->at("seconds").get<double>();  // this process's own seconds count from its start
  opened_ = true;
  if (muted_) return;
  metrics_.reset();
  timings_.reset();
  const fs::path metrics = folder_ / "metrics.jsonl", timings = folder_ / "timings.jsonl";
  std::error_code none;
  if (facts == nullptr && fs::file_size(metrics, none) > 0 && !none)
    core::log_warning("{}: holds the record of a run, but no checkpoint of it; it starts over", folder_.string());
  metrics_ = std::make_unique<Record>(metrics, facts == nullptr ? 0 : facts->at("metrics_bytes").get<std::int64_t>());
  const auto kept = static_cast<std::int64_t>(fs::file_size(timings, none));
  const auto wanted = facts == nullptr ? 0 : facts->at("timings_bytes").get<std::int64_t>();
  timings_ = std::make_unique<Record>(timings, none ? 0 : std::min(wanted, kept));  // nothing depends on them
}

void Journal::start_bar(const std::string& title, std::int64_t total, std::int64_t done) {
  if (muted_) return;
  bar_ = std::make_unique<core::Progress>(title, total, "steps");
  bar_->advance(done);
}

void Journal::advance(double loss) {
  if (bar_) bar_->advance(1, fmt::format("loss {:.4f}", loss));
}

void Journal::finish_bar() {
  if (bar_) bar_->finish();
}

void Journal::metric(const json& line) {
  if (metrics_) metrics_->write(line);
}

void Journal::timing(const json& line) {
  if (timings_) timings_->write(line);
}

void Journal::stage(const std::string& stage, std::int64_t epoch, double begin) {
  const double seconds = core::monotonic_seconds() - begin;
  timing({{"type", "stage"}, {"stage", stage}, {"epoch", epoch}, {"seconds", seconds}});
  core::log_info("epoch {}: {}, {:.1f} s", epoch, stage, seconds);
}

json Journal::sync() {
  json facts = {{"seconds", seconds()}};
  if (metrics_) facts["metrics_bytes"] = metrics_->sync();
  if (timings_) facts["timings_bytes"] = timings_->sync();
  return facts;
}

}  // namespace selfsight::train
