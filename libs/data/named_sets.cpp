// Public sets known by name: a format, and what its files do not say themselves.
#include "core/error.h"
#include "core/registry.h"
#include "data/source.h"

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;

// Xiao, Rasul and Vollgraf 2017; Debian's package dataset-fashion-mnist puts it into this folder.
manifest::Dataset fashion_mnist(const fs::path& path) {
  const fs::path folder = path.empty() ? fs::path("/usr/share/datasets/fashion-mnist") : path;
  if (!fs::exists(folder)) {
    core::fail(core::Exit::no_input,
               "{}: no such folder: install the package dataset-fashion-mnist, or name the folder that holds the four idx files",
               folder.string());
  }
  manifest::Dataset dataset = describe("idx", folder);
  dataset.name = "fashion-mnist";
  for (auto& [name, split] : dataset.splits) {
    if (split.labels.empty()) core::fail(core::Exit::no_input, "{}: no file of labels beside the images of '{}'", folder.string(), name);
    if (split.labels.size() > 10)
      core::fail(core::Exit::bad_data, "{}: {} classes; Fashion-MNIST has 10", folder.string(), split.labels.size());
    split.labels = {"T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"};
  }
  return dataset;
}

// Krizhevsky 2009, as its binary batches or as class folders in archives.
manifest::Dataset cifar10(const fs::path& path) {
  if (path.empty()) core::fail(core::Exit::usage, "cifar10: give the folder with its binary batches or its archives of class folders");
  manifest::Dataset dataset = describe("auto", path);
  dataset.name = "cifar10";
  for (auto& [name, split] : dataset.splits) {
    if (split.labels.size() != 10)
      core::fail(core::Exit::bad_data, "{}: split '{}' has {} classes; CIFAR-10 has 10", path.string(), name, split.labels.size());
    split.image = {32, 32, 3};
  }
  return dataset;
}

const bool fashion_registered = core::Registry<NamedSet>::instance().add(
    "fashion-mnist", {"Fashion-MNIST; without a path, where Debian's package puts it", fashion_mnist});
const bool cifar_registered =
    core::Registry<NamedSet>::instance().add("cifar10", {"CIFAR-10: binary batches, or class folders in tar.gz", cifar10});

}  // namespace
}  // namespace selfsight::data
