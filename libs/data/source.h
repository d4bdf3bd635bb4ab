// Sources: what is on disk, as numbered samples. Opening lists, reading is lazy and thread-safe.
#pragma once

#include "core/options.h"
#include "data/image.h"
#include "data/video.h"
#include "manifest/manifest.h"

#include <memory>
#include <string>
#include <vector>

namespace selfsight::data {

class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual std::int64_t size() const = 0;
  /// Class index, or -1 without labels.
  [[nodiscard]] virtual std::int64_t label(std::int64_t index) const = 0;
  /// What messages call the sample: "train-images-idx3-ubyte.gz#17", "train/cat/0003.jpg".
  [[nodiscard]] virtual std::string name(std::int64_t index) const = 0;
  /// The stored image. Errors: no_input, bad_data, io.
  [[nodiscard]] virtual Stored read(std::int64_t index) const = 0;
  /// Channels that all images are decoded to: 1 for grey sets, 3 otherwise.
  [[nodiscard]] virtual std::int64_t channels() const { return 3; }
  /// Number, from 0, of the file that holds the sample among others, for plans that go through one file after another (plan.h); 0 where
  /// there is nothing to gain by that.
  [[nodiscard]] virtual std::int64_t shard(std::int64_t /*index*/) const { return 0; }
  /// Whether the samples are videos. Then read() gives the frame in the middle, and video() all of them.
  [[nodiscard]] virtual bool has_videos() const { return false; }
  /// Opens a sample for one thread; null where has_videos() is false. Errors: those of read().
  [[nodiscard]] virtual std::unique_ptr<Video> video(std::int64_t /*index*/) const { return nullptr; }
};

/// What `ssl-data FORMAT PATH` can be told beside the path.
struct DescribeOptions {
  double frame_rate = 24;  ///< frames a second of folders of frames that say nothing else; 24 are DAVIS's

  DescribeOptions() = default;
  /// Adds the options that `format` has.
  DescribeOptions(core::Options& options, const std::string& format);
};

/// Registered by each format's own file under its name ("idx", "cifar-bin", "folder", "tar-folders", "shards", "jsonl", "video"), as
/// core::Registry<SourceFormat>: how to open a split, and how `ssl-data FORMAT PATH` recognises and describes one.
struct SourceFormat {
  std::string summary;  ///< one line for the help
  std::unique_ptr<Source> (*open)(const manifest::Split& split);
  /// Describes what lies at `path` as a data set with its splits. Errors name the file at fault.
  manifest::Dataset (*describe)(const std::filesystem::path& path);
  /// Whether what lies at `path` looks like this format; cheap, never fails.
  bool (*recognises)(const std::filesystem::path& path);
};

/// A public data set known by name, registered as core::Registry<NamedSet>.
struct NamedSet {
  std::string summary;
  /// `path` may be empty where a usual place is known.
  manifest::Dataset (*describe)(const std::filesystem::path& path);
};

/// Describes what lies at `path` as the format or named set `format`, or, for "auto", as the one format that recognises it.
/// Errors: usage for an unknown format, or when several recognise the path; no_input; bad_data, also when none does.
manifest::Dataset describe(const std::string& format, const std::filesystem::path& path, const DescribeOptions& options = {});
/// Names that describe() takes, with their one-line summaries.
std::vector<std::pair<std::string, std::string>> format_summaries();

/// Opens a split, its subset applied. Errors as the format's; bad_data when the count or a label is not what the split says.
std::shared_ptr<const Source> open_split(const manifest::Split& split);
/// Some samples of another source, in the order given.
std::shared_ptr<const Source> part_of(std::shared_ptr<const Source> whole, std::vector<std::int64_t> indices);
/// The sample numbers of a subset file, each below `size`. Errors: no_input; bad_data naming the file.
std::vector<std::int64_t> read_subset(const std::filesystem::path& path, std::int64_t size);
/// The labels of a whole source; -1 where absent.
std::vector<std::int64_t> labels_of(const Source& source);
/// The shards of a whole source, see Source::shard.
std::vector<std::int64_t> shards_of(const Source& source);

/// Class numbers are below this: every number up to the largest gets a name, and one line must not fill the memory.
inline constexpr std::int64_t most_classes = 1 << 20;

/// Whether `name` can be a split's: it becomes part of file names and of options. Not empty, without slashes, control characters and
/// spaces at its ends, and not beginning with a dot or a dash.
bool is_split_name(const std::string& name);

}  // namespace selfsight::data
