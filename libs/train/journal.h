// What a run writes down of itself while it is at work: metrics.jsonl (the same bytes for the same run), timings.jsonl, the bar.
#pragma once

#include "core/progress.h"
#include "train/loading_meter.h"
#include "train/record.h"

#include <memory>
#include <string>

namespace selfsight::train {

class Journal {
 public:
  /// A muted one takes everything and writes nothing: of several ranks the first one writes.
  Journal(core::fs::path folder, bool muted) : folder_(std::move(folder)), muted_(muted) {}

  /// Opens the records, cut to what a checkpoint remembers of them (`facts`; null: a run from its start). Errors: as Record's.
  void open(const nlohmann::json* facts);
  void start_bar(const std::string& title, std::int64_t total, std::int64_t done);
  void advance(double loss);
  void finish_bar();

  void metric(const nlohmann::json& line);
  void timing(const nlohmann::json& line);
  /// What is neither a step nor a checkpoint, with its time since `begin`.
  void stage(const std::string& stage, std::int64_t epoch, double begin);
  /// For a checkpoint's facts: how long the records are, now that they are safely on the disk.
  nlohmann::json sync();
  /// Seconds that the run has been at work, in this process and those before it.
  [[nodiscard]] double seconds() const { return seconds_before_ + core::monotonic_seconds() - started_; }

 private:
  core::fs::path folder_;
  bool muted_;
  std::unique_ptr<Record> metrics_, timings_;
  std::unique_ptr<core::Progress> bar_;
  double started_ = core::monotonic_seconds(), seconds_before_ = 0;
  bool opened_ = false;
};

}  // namespace selfsight::train
