#include "data/check.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/threads.h"
#include "manifest/payload.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <numeric>

namespace selfsight::data {

namespace fs = std::filesystem;

namespace {

/// What one sample adds to the report.
struct Seen {
  std::int64_t height = 0, width = 0, frames = 0;
  double seconds = 0;
  std::array<std::uint64_t, 3> sum{}, squares{};
  std::string digest, reason;
};

// Samples that a thread takes at once.
std::int64_t grain_of(const Source& source) { return source.has_videos() ? 1 : 16; }

void add_pixels(const Image& image, Seen& seen) {
  seen.height = image.height;
  seen.width = image.width;
  ++seen.frames;
  const auto channels = static_cast<std::size_t>(image.channels);
  for (std::size_t i = 0; i < image.pixels.size(); i += channels) {
    for (std::size_t c = 0; c < channels; ++c) {
      const std::uint64_t value = image.pixels[i + c];
      seen.sum[c] += value;
      seen.squares[c] += value * value;
    }
  }
}

Seen look(const Source& source, std::int64_t index, Image& image) {
  Seen seen;
  try {
    if (const std::unique_ptr<Video> video = source.video(index)) {
      seen.digest = video->digest();
      seen.seconds = video->time_of(video->frames());
      std::vector<std::int64_t> all(static_cast<std::size_t>(video->frames()));
      std::iota(all.begin(), all.end(), 0);
      video->read(all, [&](std::int64_t /*frame*/, const Image& frame) { add_pixels(frame, seen); });
      return seen;
    }
    const Stored stored = source.read(index);
    seen.digest = core::digest_of(stored.bytes);
    decode_into(stored, source.channels(), source.name(index), image);
    add_pixels(image, seen);
  } catch (const core::Error& error) {
    seen.reason = error.what();
  }
  return seen;
}

}  // namespace

std::vector<BadItem> find_bad(const Source& source, int threads, const std::function<void(std::int64_t)>& advance) {
  std::vector<std::string> reasons(static_cast<std::size_t>(source.size()));
  core::parallel_for(source.size(), grain_of(source), threads, [&](std::int64_t begin, std::int64_t end) {
    thread_local Image image;
    for (std::int64_t i = begin; i < end; ++i) reasons[static_cast<std::size_t>(i)] = look(source, i, image).reason;
    advance(end - begin);
  });
  std::vector<BadItem> bad;
  for (std::int64_t i = 0; i < source.size(); ++i)
    if (auto& reason = reasons[static_cast<std::size_t>(i)]; !reason.empty()) bad.push_back({i, 0, source.name(i), std::move(reason)});
  return bad;
}

CheckReport check_split(const manifest::Split& split, int threads, const std::function<void(std::int64_t)>& advance) {
  for (const auto& [what, file] : split.files)
    if (fs::is_regular_file(file.path)) manifest::checked_payload(file, what + " file", "the data set's manifest");
  const std::shared_ptr<const Source> source = open_split(split);
  std::vector<Seen> seen(static_cast<std::size_t>(source->size()));
  core::parallel_for(source->size(), grain_of(*source), threads, [&](std::int64_t begin, std::int64_t end) {
    thread_local Image image;
    for (std::int64_t i = begin; i < end; ++i) seen[static_cast<std::size_t>(i)] = look(*source, i, image);
    advance(end - begin);
  });

  CheckReport report;
  report.channels = source->channels();
  report.videos = source->has_videos();
  if (!split.labels.empty()) report.per_class.resize(split.labels.size());
  std::array<double, 3> sum{}, squares{};
  double pixels = 0;
  core::Digest content;
  for (std::int64_t i = 0; i < source->size(); ++i) {
    const Seen& one = seen[static_cast<std::size_t>(i)];
    content.add(fmt::format("{}\t{}\n", source->name(i), one.digest));
    if (!one.reason.empty()) {
      report.bad.push_back({i, 0, source->name(i), one.reason});
      continue;
    }
    const bool first = report.good++ == 0;
    report.height_min = first ? one.height : std::min(report.height_min, one.height);
    report.height_max = std::max(report.height_max, one.height);
    report.width_min = first ? one.width : std::min(report.width_min, one.width);
    report.width_max = std::max(report.width_max, one.width);
    if (const std::int64_t label = source->label(i); label >= 0 && static_cast<std::size_t>(label) < report.per_class.size()) {
      ++report.per_class[static_cast<std::size_t>(label)];
    }
    report.frames_min = first ? one.frames : std::min(report.frames_min, one.frames);
    report.frames_max = std::max(report.frames_max, one.frames);
    report.seconds += one.seconds;
    pixels += static_cast<double>(one.frames * one.height * one.width);
    for (std::size_t c = 0; c < 3; ++c) {
      sum[c] += static_cast<double>(one.sum[c]);
      squares[c] += static_cast<double>(one.squares[c]);
    }
  }
  report.content = content.finish();
  for (std::size_t c = 0; pixels > 0 && c < static_cast<std::size_t>(report.channels); ++c) {
    const double mean = sum[c] / pixels;
    report.mean.push_back(mean / 255);
    report.stddev.push_back(std::sqrt(std::max(squares[c] / pixels - mean * mean, 0.0)) / 255);
  }
  return report;
}

manifest::Json CheckReport::json() const {
  manifest::Json out = {{"good", good},
                        {"bad", manifest::Json::array()},
                        {"height", {height_min, height_max}},
                        {"width", {width_min, width_max}},
                        {"mean", mean},
                        {"std", stddev},
                        {"content", content}};
  for (const BadItem& item : bad) out["bad"].push_back({{"sample", item.sample}, {"name", item.name}, {"reason", item.reason}});
  if (!per_class.empty()) out["per-class"] = per_class;
  if (videos) out["frames"] = {frames_min, frames_max}, out["seconds"] = seconds;
  return out;
}

void CheckOptions::describe(core::Options& options) {
  options.add("on-bad", &on_bad, "fail: end with code 65 when any image is bad; skip: only list them").choices({"fail", "skip"});
  options.add("workers", &workers, "threads; 0: one per processor").range(0, 1024).runtime();
}

std::size_t check_dataset(manifest::Dataset& dataset, std::int64_t workers) {
  std::size_t bad = 0;
  for (auto& [name, split] : dataset.splits) {
    core::Progress progress(name, split.count, split.format == "video" ? "videos" : "images");
    std::mutex mutex;
    const int threads = workers > 0 ? static_cast<int>(workers) : core::default_threads();
    const CheckReport report = check_split(split, threads, [&](std::int64_t done) {
      const std::lock_guard lock(mutex);
      progress.advance(done);
    });
    progress.finish();
    split.extra["checked"] = report.json();
    if (report.good > 0 && report.height_min == report.height_max && report.width_min == report.width_max)
      split.image = {report.height_min, report.width_min, report.channels};
    for (const BadItem& item : report.bad) core::log_warning("{}", item.reason);
    bad += report.bad.size();
  }
  return bad;
}

}  // namespace selfsight::data
