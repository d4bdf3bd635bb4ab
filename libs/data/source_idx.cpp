// idx: the format of MNIST and its successors (http://yann.lecun.com/exdb/mnist), plain or gzip.
//   images: 0 0 8 rank, then `rank` 32-bit sizes (count, height, width [, channels]), then bytes; labels: rank 1.
#include "core/digest.h"
#include "core/error.h"
#include "core/registry.h"
#include "data/bytes.h"
#include "data/source.h"
#include "manifest/payload.h"

#include <algorithm>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;

/// One idx file of unsigned bytes with its sizes checked against its length.
struct IdxFile {
  FileBytes file;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> values;

  IdxFile(const fs::path& path, std::size_t least_rank, std::size_t most_rank) : file(path) {
    const std::span<const std::byte> bytes = file.bytes();
    if (bytes.size() < 4 || bytes[0] != std::byte{0} || bytes[1] != std::byte{0})
      fail(Exit::bad_data, "{}: no idx file (it does not begin with two zero bytes)", path.string());
    if (bytes[2] != std::byte{8})
      fail(Exit::bad_data, "{}: idx of element type {:#x}; only unsigned bytes (0x8) are images", path.string(),
           std::to_integer<int>(bytes[2]));
    const auto rank = std::to_integer<std::size_t>(bytes[3]);
    if (rank < least_rank || rank > most_rank) {
      fail(Exit::bad_data, "{}: idx with {} dimensions, expected {}", path.string(), rank,
           least_rank == 1 ? "1 (labels)" : "3 or 4 (images)");
    }
    if (bytes.size() < 4 + 4 * rank) fail(Exit::bad_data, "{}: truncated in its header", path.string());
    std::uint64_t total = 1;
    const std::uint64_t rest = bytes.size() - 4 - 4 * rank;
    for (std::size_t i = 0; i < rank; ++i) {
      const std::uint64_t side = big_endian(bytes, 4 + 4 * i, 4);
      if (side == 0) fail(Exit::bad_data, "{}: dimension {} is 0", path.string(), i);
      if (side > rest || total > rest / side)
        total = rest + 1;
      else
        total *= side;
      shape.push_back(static_cast<std::int64_t>(side));
      if (total > rest) break;
    }
    if (total != rest) {
      fail(Exit::bad_data, "{}: {} bytes of values where its header promises {}", path.string(), rest,
           total > rest ? "more" : std::to_string(total));
    }
    values = bytes.subspan(4 + 4 * rank);
  }
};

class IdxSource final : public Source {
 public:
  IdxSource(const fs::path& images, const fs::path& labels) : images_(images, 3, 4), name_(images.filename().string()) {
    if (images_.shape.size() == 4 && images_.shape[3] != 1 && images_.shape[3] != 3)
      fail(Exit::bad_data, "{}: images of {} channels (1 or 3 can be used)", images.string(), images_.shape[3]);
    if (images_.shape[1] * images_.shape[2] > max_pixels)
      fail(Exit::bad_data, "{}: images of {} x {} pixels", images.string(), images_.shape[1], images_.shape[2]);
    if (!labels.empty()) {
      labels_ = std::make_unique<IdxFile>(labels, 1, 1);
      if (labels_->shape[0] != images_.shape[0]) {
        fail(Exit::bad_data, "{}: {} labels for the {} images of {}", labels.string(), labels_->shape[0], images_.shape[0], name_);
      }
    }
  }
  [[nodiscard]] std::int64_t size() const override { return images_.shape[0]; }
  [[nodiscard]] std::int64_t channels() const override { return images_.shape.size() == 4 ? images_.shape[3] : 1; }
  [[nodiscard]] std::int64_t label(std::int64_t index) const override {
    return labels_ ? std::to_integer<std::int64_t>(labels_->values[static_cast<std::size_t>(index)]) : -1;
  }
  [[nodiscard]] std::string name(std::int64_t index) const override { return fmt::format("{}#{}", name_, index); }
  [[nodiscard]] Stored read(std::int64_t index) const override {
    Stored stored;
    stored.height = height();
    stored.width = width();
    stored.channels = channels();
    const auto bytes = static_cast<std::size_t>(height() * width() * channels());
    stored.bytes = images_.values.subspan(static_cast<std::size_t>(index) * bytes, bytes);
    return stored;
  }
  [[nodiscard]] std::int64_t height() const { return images_.shape[1]; }
  [[nodiscard]] std::int64_t width() const { return images_.shape[2]; }
  [[nodiscard]] bool labelled() const { return labels_ != nullptr; }
  [[nodiscard]] std::int64_t classes() const {
    std::byte most{0};
    for (const std::byte value : labels_->values) most = std::max(most, value);
    return std::to_integer<std::int64_t>(most) + 1;
  }

 private:
  IdxFile images_;
  std::unique_ptr<IdxFile> labels_;
  std::string name_;
};

std::unique_ptr<Source> open_idx(const manifest::Split& split) {
  const auto images = split.files.find("images");
  const auto labels = split.files.find("labels");
  auto source = std::make_unique<IdxSource>(images == split.files.end() ? split.root : images->second.path,
                                            labels == split.files.end() ? fs::path() : labels->second.path);
  for (const auto& part : {images, labels})
    if (part != split.files.end()) manifest::checked_payload(part->second, "idx file", "the data set's manifest");
  return source;
}

manifest::Split describe_split(const fs::path& images, const fs::path& labels) {
  const IdxSource source(images, labels);
  manifest::Split split;
  split.format = "idx";
  split.root = images.parent_path();
  split.files["images"] = {images, core::digest_of_file(images)};
  split.count = source.size();
  split.fields = {"image"};
  split.image = {source.height(), source.width(), source.channels()};
  core::Digest whole;
  whole.add(split.files["images"].digest);
  if (source.labelled()) {
    split.files["labels"] = {labels, core::digest_of_file(labels)};
    split.fields.emplace_back("label");
    for (std::int64_t i = 0; i < source.classes(); ++i) split.labels.push_back(std::to_string(i));
    whole.add(split.files["labels"].digest);
  }
  split.digest = whole.finish();
  return split;
}

// The labels that lie beside an images file under the usual names, or "".
fs::path labels_beside(const fs::path& images) {
  std::string name = images.filename().string();
  for (const auto& [from, to] :
       {std::pair{"images-idx3", "labels-idx1"}, std::pair{"images.idx3", "labels.idx1"}, std::pair{"images-idx4", "labels-idx1"}}) {
    const std::size_t at = name.find(from);
    if (at == std::string::npos) continue;
    name.replace(at, std::char_traits<char>::length(from), to);
    if (fs::exists(images.parent_path() / name)) return images.parent_path() / name;
    if (name.ends_with(".gz"))
      name.resize(name.size() - 3);
    else
      name += ".gz";
    if (fs::exists(images.parent_path() / name)) return images.parent_path() / name;
  }
  return {};
}

manifest::Dataset describe_idx(const fs::path& path) {
  manifest::Dataset dataset;
  dataset.name = fs::absolute(path).lexically_normal().filename().string();
  if (fs::is_regular_file(path)) {
    const std::string stem = path.filename().string();
    const std::string split = stem.starts_with("t10k") || stem.starts_with("test") ? "test" : "train";
    dataset.splits[split] = describe_split(fs::absolute(path), labels_beside(fs::absolute(path)));
    return dataset;
  }
  if (!fs::is_directory(path)) fail(Exit::no_input, "{}: no such file or folder", path.string());
  for (const auto& [prefix, split] :
       {std::pair{"train", "train"}, std::pair{"t10k", "test"}, std::pair{"test", "test"}, std::pair{"val", "val"}}) {
    for (const char* rest : {"-images-idx3-ubyte", "-images-idx3-ubyte.gz", "-images.idx3-ubyte", "-images.idx3-ubyte.gz",
                             "-images-idx4-ubyte", "-images-idx4-ubyte.gz"}) {
      const fs::path images = fs::absolute(path) / (std::string(prefix) + rest);
      if (dataset.splits.contains(split) || !fs::exists(images)) continue;
      dataset.splits[split] = describe_split(images, labels_beside(images));
    }
  }
  if (dataset.splits.empty()) {
    fail(Exit::no_input, "{}: no train-images-idx3-ubyte[.gz] or t10k-images-idx3-ubyte[.gz] in this folder", path.string());
  }
  return dataset;
}

bool recognises(const fs::path& path) {
  for (const char* name :
       {"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"}) {
    if (fs::exists(path / name)) return true;
  }
  return fs::is_regular_file(path) && path.filename().string().find("-idx") != std::string::npos;
}

const bool registered = core::Registry<SourceFormat>::instance().add(
    "idx", {"idx files (MNIST, Fashion-MNIST), plain or gzip: a folder with train-/t10k- files, or one file of images", open_idx,
            describe_idx, recognises});

}  // namespace
}  // namespace selfsight::data
