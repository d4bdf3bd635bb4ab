// The binary batches of CIFAR-10 and CIFAR-100 (https://www.cs.toronto.edu/~kriz/cifar.html): records of one label byte
// (CIFAR-100: coarse, then fine) and 3 planes of 32 x 32 bytes.
#include "core/digest.h"
#include "core/error.h"
#include "core/registry.h"
#include "data/bytes.h"
#include "data/source.h"

#include <sstream>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;

constexpr std::int64_t side = 32, pixels = 3 * side * side;

class CifarSource final : public Source {
 public:
  CifarSource(const std::vector<fs::path>& files, std::int64_t label_bytes) : record_(label_bytes + pixels) {
    for (const fs::path& path : files) {
      files_.push_back({FileBytes(path), path.filename().string()});
      const auto bytes = static_cast<std::int64_t>(files_.back().file.bytes().size());
      if (bytes % record_ != 0) {
        fail(Exit::bad_data, "{}: {} bytes are no whole number of records of {} bytes: truncated, or not a CIFAR-{} batch", path.string(),
             bytes, record_, label_bytes == 1 ? 10 : 100);
      }
      ends_.push_back((ends_.empty() ? 0 : ends_.back()) + bytes / record_);
    }
    for (std::int64_t i = 0; i < size(); ++i) {
      const auto [part, at] = find(i);
      if (label(i) >= (label_bytes == 1 ? 10 : 100)) fail(Exit::bad_data, "{}: record {} has label {}", files_[part].name, at, label(i));
    }
  }
  [[nodiscard]] std::int64_t size() const override { return ends_.empty() ? 0 : ends_.back(); }
  [[nodiscard]] std::int64_t label(std::int64_t index) const override {
    const auto [part, at] = find(index);
    return std::to_integer<std::int64_t>(files_[part].file.bytes()[static_cast<std::size_t>((at + 1) * record_ - pixels - 1)]);
  }
  [[nodiscard]] std::string name(std::int64_t index) const override {
    const auto [part, at] = find(index);
    return fmt::format("{}#{}", files_[part].name, at);
  }
  [[nodiscard]] Stored read(std::int64_t index) const override {
    const auto [part, at] = find(index);
    Stored stored;
    stored.height = stored.width = side;
    stored.channels = 3;
    stored.planar = true;
    stored.bytes =
        files_[part].file.bytes().subspan(static_cast<std::size_t>((at + 1) * record_ - pixels), static_cast<std::size_t>(pixels));
    return stored;
  }

 private:
  struct Part {
    FileBytes file;
    std::string name;
  };
  [[nodiscard]] std::pair<std::size_t, std::int64_t> find(std::int64_t index) const {
    std::size_t part = 0;
    while (ends_[part] <= index) ++part;
    return {part, index - (part == 0 ? 0 : ends_[part - 1])};
  }

  std::int64_t record_;
  std::vector<Part> files_;
  std::vector<std::int64_t> ends_;
};

std::unique_ptr<Source> open_cifar(const manifest::Split& split) {
  std::vector<fs::path> files;
  for (const auto& [role, file] : split.files) {
    if (role.starts_with("batch-")) files.push_back(file.path);
  }
  if (files.empty()) fail(Exit::bad_data, "{}: the manifest names no batch files", split.root.string());
  return std::make_unique<CifarSource>(files, split.labels.size() > 10 ? 2 : 1);
}

std::vector<std::string> names_in(const fs::path& path) {
  std::vector<std::string> names;
  std::istringstream lines(core::read_text(path));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  return names;
}

std::vector<std::string> class_names(const fs::path& folder, bool hundred) {
  const fs::path listed = folder / (hundred ? "fine_label_names.txt" : "batches.meta.txt");
  if (fs::exists(listed)) {
    std::vector<std::string> names = names_in(listed);
    if (names.size() != (hundred ? 100U : 10U)) fail(Exit::bad_data, "{}: {} class names", listed.string(), names.size());
    return names;
  }
  if (!hundred) return {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back(std::to_string(i));
  return names;
}

manifest::Dataset describe_cifar(const fs::path& path) {
  if (!fs::is_directory(path)) fail(Exit::no_input, "{}: no such folder", path.string());
  const fs::path folder = fs::absolute(path).lexically_normal();
  const bool hundred = !fs::exists(folder / "test_batch.bin") && !fs::exists(folder / "data_batch_1.bin");
  std::map<std::string, std::vector<fs::path>> found;
  if (hundred) {
    for (const char* split : {"train", "test"}) {
      if (const fs::path file = folder / fmt::format("{}.bin", split); fs::exists(file)) found[split] = {file};
    }
  } else {
    for (int i = 1; i <= 5; ++i) {
      const fs::path file = folder / fmt::format("data_batch_{}.bin", i);
      if (!fs::exists(file))
        fail(Exit::no_input, "{}: missing; CIFAR-10 has data_batch_1.bin to data_batch_5.bin and test_batch.bin", file.string());
      found["train"].push_back(file);
    }
    if (fs::exists(folder / "test_batch.bin")) found["test"] = {folder / "test_batch.bin"};
  }
  if (found.empty())
    fail(Exit::no_input, "{}: neither data_batch_1.bin (CIFAR-10) nor train.bin or test.bin (CIFAR-100) in this folder", path.string());
  manifest::Dataset dataset;
  dataset.name = hundred ? "cifar100" : "cifar10";
  for (const auto& [name, files] : found) {
    manifest::Split split;
    split.format = "cifar-bin";
    split.root = folder;
    split.labels = class_names(folder, hundred);
    split.fields = {"image", "label"};
    split.image = {side, side, 3};
    core::Digest whole;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const std::string digest = core::digest_of_file(files[i]);
      split.files[fmt::format("batch-{}", i + 1)] = {files[i], digest};
      whole.add(digest);
    }
    split.count = CifarSource(files, hundred ? 2 : 1).size();
    split.digest = whole.finish();
    dataset.splits[name] = split;
  }
  return dataset;
}

bool recognises(const fs::path& path) { return fs::exists(path / "data_batch_1.bin") || fs::exists(path / "train.bin"); }

const bool registered = core::Registry<SourceFormat>::instance().add(
    "cifar-bin", {"the binary batches of CIFAR-10 or CIFAR-100 in a folder", open_cifar, describe_cifar, recognises});

}  // namespace
}  // namespace selfsight::data
