#include "tasks/dense_segment.h"

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/rng.h"
#include "core/threads.h"
#include "data/class_tree.h"
#include "data/labels.h"
#include "data/ops.h"
#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace selfsight::tasks {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;

SegmentOptions::SegmentOptions() { optimizer.optimizer = "adamw"; }

void SegmentOptions::describe(core::Options& o) {
  o.group("Images");
  o.add("images", &images, "folder of the training images").metavar("DIR");
  o.add("labels", &labels, "folder of their label images: PNG with the class as pixel value, named as the images").metavar("DIR");
  o.add("test", &test, "folder of the images to predict").metavar("DIR");
  o.add("image-suffix", &image_suffix, "what the images' file names have behind the common part, such as _leftImg8bit").metavar("TEXT");
  o.add("label-suffix", &label_suffix, "the same for the label images, such as _gtFine_labelTrainIds").metavar("TEXT");
  o.add("classes", &classes, "classes, 0 to N - 1").range(0, 32767);
  o.add("void", &void_labels, "labels of pixels that do not count").range(0, 65535);
  o.add("side", &side, "side in pixels that the images' shorter side is resized to before the network; 0: as it is").range(0, 1 << 16);
  o.group("Network");
  subject.describe(o);
  o.group("Classifier");
  o.add("epochs", &epochs, "passes over the training images").range(1, 1 << 20);
  o.add("batch", &batch, "images an update").range(1, 1 << 20);
  o.add("label-stride", &label_stride, "the loss looks at every so manyth row and column of the labels; 1: at every pixel").range(1, 1024);
  o.add("lr", &lr, "learning rate at the start; cosine to 0").range(0, 1000);
  o.add("weight-decay", &weight_decay, "weight decay").range(0, 1000);
  optimizer.describe(o);
}

void SegmentOptions::check() const {
  const auto folder = [](const char* option, const std::string& path, const char* what) {
    std::error_code ignored;
    if (path.empty()) fail(Exit::usage, "say with --{} DIR where {} are", option, what);
    if (!fs::is_directory(path, ignored)) fail(Exit::no_input, "--{} {}: no such folder", option, path);
  };
  folder("images", images, "the training images");
  folder("labels", labels, "their label images");
  folder("test", test, "the images to predict");
  if (classes < 2) fail(Exit::usage, "say with --classes N how many classes there are, at least 2");
}

std::vector<LabelledImage> labelled_images(const std::string& images, const std::string& labels, const std::string& image_suffix,
                                           const std::string& label_suffix) {
  std::vector<LabelledImage> out;
  for (const auto& entry : fs::recursive_directory_iterator(images, fs::directory_options::follow_directory_symlink)) {
    if (!entry.is_regular_file() || !data::is_image_name(entry.path().filename().string())) continue;
    std::string stem = entry.path().lexically_relative(images).replace_extension().generic_string();
    if (!stem.ends_with(image_suffix)) continue;
    stem.resize(stem.size() - image_suffix.size());
    out.push_back({stem, entry.path(), labels.empty() ? fs::path() : fs::path(labels) / (stem + label_suffix + ".png")});
  }
  if (out.empty()) fail(Exit::bad_data, "{}: no image in it (file names ending in '{}' and .jpg, .png ...)", images, image_suffix);
  std::sort(out.begin(), out.end(), [](const LabelledImage& a, const LabelledImage& b) { return a.stem < b.stem; });
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::error_code ignored;
    if (i > 0 && out[i].stem == out[i - 1].stem)
      fail(Exit::bad_data, "{} and {} would have the same label image", out[i - 1].image.string(), out[i].image.string());
    if (!labels.empty() && !fs::exists(out[i].labels, ignored))
      fail(Exit::bad_data, "{}: missing, the labels of {}", out[i].labels.string(), out[i].image.string());
  }
  return out;
}

LinearSegmenter::LinearSegmenter(std::int64_t channels, std::int64_t classes, const torch::Device& device)
    : layer_(torch::nn::Conv2dOptions(channels, classes, 1)) {
  torch::nn::init::zeros_(layer_->weight);
  torch::nn::init::zeros_(layer_->bias);
  layer_->to(device);
}

torch::Tensor LinearSegmenter::forward(const torch::Tensor& map, std::int64_t height, std::int64_t width) {
  return torch::upsample_bilinear2d(layer_(map.unsqueeze(0)), {height, width}, /*align_corners=*/false).squeeze(0);
}

double LinearSegmenter::train_epoch(const std::vector<torch::Tensor>& maps, const std::vector<torch::Tensor>& labels, std::int64_t batch,
                                    std::uint64_t seed, std::int64_t epoch, const std::function<void()>& update) {
  std::vector<std::size_t> order(maps.size());
  std::iota(order.begin(), order.end(), 0);
  core::Rng rng(seed, core::Stream::shuffle, static_cast<std::uint64_t>(epoch));
  rng.shuffle(order);
  const torch::Device device = layer_->weight.device();
  double loss = 0, pixels = 0;
  for (std::size_t begin = 0; begin < order.size(); begin += static_cast<std::size_t>(batch)) {
    const std::size_t end = std::min(order.size(), begin + static_cast<std::size_t>(batch));
    double counted = 0;
    for (std::size_t k = begin; k < end; ++k) counted += (labels[order[k]] >= 0).sum().item<double>();
    if (counted == 0) continue;  // all void: there is nothing to learn from
    layer_->zero_grad();
    for (std::size_t k = begin; k < end; ++k) {  // one by one: sizes may differ, and memory does not grow with the batch
      const torch::Tensor truth = labels[order[k]].to(device, torch::kInt64);
      const torch::Tensor logits = forward(maps[order[k]].to(device), truth.size(0), truth.size(1));
      const torch::Tensor sum =
          at::cross_entropy_loss(logits.unsqueeze(0), truth.unsqueeze(0), {}, at::Reduction::Sum, /*ignore_index=*/-1);
      (sum / counted).backward();
      loss += sum.item<double>();
    }
    pixels += counted;
    update();
  }
  if (pixels == 0) fail(Exit::bad_data, "every pixel of the labels is void (--void)");
  return loss / pixels;
}

namespace {

/// Frozen maps of images from files.
class Mapper {
 public:
  Mapper(const Subject& subject, const SegmentOptions& options)
      : subject_(subject), side_(options.side), device_(train::open_device(options.subject.device)) {
    const nn::BackboneOptions& network = subject.network.backbone->options();
    channels_ = network.channels;
    if (network.name.starts_with("vit")) multiple_ = network.patch;
  }

  struct Mapped {
    torch::Tensor map;                   ///< C x h x w, float32, on the CPU
    std::int64_t height = 0, width = 0;  ///< of the image
  };
  /// The same for every image, in order; decoding is spread over the processors, some images ahead.
  void each(const std::vector<LabelledImage>& images, const std::string& what, const std::function<void(std::size_t, Mapped)>& use) const {
    core::Progress progress(subject_.name + ": " + what, static_cast<std::int64_t>(images.size()), "images");
    constexpr std::size_t ahead = 16;
    for (std::size_t begin = 0; begin < images.size(); begin += ahead) {
      const std::size_t count = std::min(ahead, images.size() - begin);
      std::vector<Input> inputs(count);
      core::parallel_for(static_cast<std::int64_t>(count), 1, core::default_threads(), [&](std::int64_t first, std::int64_t last) {
        for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) inputs[i] = read(images[begin + i].image);
      });
      for (std::size_t i = 0; i < count; ++i) {
        use(begin + i, {map_of(inputs[i], images[begin + i].image), inputs[i].height, inputs[i].width});
        progress.advance(1);
      }
    }
  }

 private:
  struct Input {
    data::ViewBatch view;  ///< of one image, resized
    std::int64_t height = 0, width = 0;
  };

  [[nodiscard]] Input read(const fs::path& file) const {
    data::Stored stored;
    stored.owned = core::read_bytes(file);
    stored.bytes = stored.owned;
    const data::Image image = data::decode(stored, channels_, file.string());
    const double factor = side_ > 0 ? static_cast<double>(side_) / static_cast<double>(std::min(image.height, image.width)) : 1.0;
    const auto scaled = [&](std::int64_t length) {  // a transformer takes whole patches
      const double steps = std::round(static_cast<double>(length) * factor / static_cast<double>(multiple_));
      return std::max<std::int64_t>(1, static_cast<std::int64_t>(steps)) * multiple_;
    };
    data::Image resized;
    data::crop_resize(image, {0, 0, image.width, image.height}, scaled(image.height), scaled(image.width), data::Interpolation::bilinear,
                      /*flip=*/false, resized);
    Input out{.view = {.count = 1, .height = resized.height, .width = resized.width, .channels = channels_, .pixels = {}, .geometry = {}},
              .height = image.height,
              .width = image.width};
    out.view.pixels = std::move(resized.pixels);
    return out;
  }

  [[nodiscard]] torch::Tensor map_of(const Input& input, const fs::path& file) const {
    const torch::NoGradGuard no_grad;
    const torch::Tensor x = train::to_tensor(input.view, subject_.network.normalisation, device_);
    const torch::Tensor map = feature_map(*subject_.network.backbone, x, subject_.layer)[0].to(torch::kCPU, torch::kFloat32).contiguous();
    if (!torch::isfinite(map).all().item<bool>())
      fail(Exit::bad_data, "{}: the features of {} are not finite: the weights are damaged or training diverged", subject_.name,
           file.string());
    return map;
  }

  const Subject& subject_;
  std::int64_t side_, channels_ = 3, multiple_ = 1;
  torch::Device device_;
};

/// Labels as the loss takes them: every `stride`-th row and column, void as -1.
torch::Tensor read_truth(const LabelledImage& image, std::int64_t height, std::int64_t width, const SegmentOptions& options) {
  data::Labels labels;
  data::read_labels(image.labels, labels);
  if (labels.height != height || labels.width != width)
    fail(Exit::bad_data, "{}: {} x {} pixels, but the image {} has {} x {}", image.labels.string(), labels.width, labels.height,
         image.image.string(), width, height);
  torch::Tensor out = torch::empty({height, width}, torch::kInt16);
  auto* to = out.data_ptr<std::int16_t>();
  for (std::size_t i = 0; i < labels.values.size(); ++i) {
    const std::int64_t label = labels.values[i];
    const bool nowhere = std::find(options.void_labels.begin(), options.void_labels.end(), label) != options.void_labels.end();
    if (!nowhere && label >= options.classes)
      fail(Exit::bad_data, "{}: label {} at column {}, row {}: neither a class (0 to {}) nor void (--void)", image.labels.string(), label,
           static_cast<std::int64_t>(i) % width, static_cast<std::int64_t>(i) / width, options.classes - 1);
    to[i] = static_cast<std::int16_t>(nowhere ? -1 : label);
  }
  // From the middle of the first step on, so that rows and columns stand for the steps around them; small images keep one.
  const std::int64_t step = options.label_stride, y = std::min(step / 2, height - 1), x = std::min(step / 2, width - 1);
  return out.slice(0, y, height, step).slice(1, x, width, step).contiguous();
}

/// Mean and deviation of each channel over all cells, 1 x C x 1 x 1 shaped for a map (C x 1 x 1).
struct Standard {
  torch::Tensor mean, deviation;
  explicit Standard(const std::vector<torch::Tensor>& maps) {
    torch::Tensor sum = torch::zeros({maps[0].size(0)}, torch::kFloat64), squares = sum.clone();
    double cells = 0;
    for (const torch::Tensor& map : maps) {
      const torch::Tensor rows = map.flatten(1).to(torch::kFloat64);
      sum += rows.sum(1);
      squares += rows.square().sum(1);
      cells += static_cast<double>(rows.size(1));
    }
    const torch::Tensor average = sum / cells;
    const auto as_map = [](const torch::Tensor& values) { return values.to(torch::kFloat32).view({-1, 1, 1}); };
    mean = as_map(average);
    // A channel that never changes stays at 0.
    deviation = as_map((squares / cells - average.square()).clamp_min(0).sqrt().clamp_min(1e-6));
  }
  [[nodiscard]] torch::Tensor apply(const torch::Tensor& map) const { return (map - mean) / deviation; }
};

data::Labels predict(LinearSegmenter& segmenter, const torch::Tensor& map, std::int64_t height, std::int64_t width) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor classes = segmenter.forward(map, height, width).argmax(0).to(torch::kCPU, torch::kInt32).contiguous();
  data::Labels out(height, width);
  const auto* from = classes.data_ptr<std::int32_t>();
  std::transform(from, from + classes.numel(), out.values.begin(), [](std::int32_t label) { return static_cast<std::uint16_t>(label); });
  return out;
}

}  // namespace

Segmented segment(const manifest::Model& model, const SegmentOptions& options, const OutputFolder& output) {
  options.check();
  const auto train_images = labelled_images(options.images, options.labels, options.image_suffix, options.label_suffix);
  const auto test_images = labelled_images(options.test, "", options.image_suffix, "");
  const Subject subject = options.subject.open(model);
  const torch::Device device = train::open_device(options.subject.device);
  output.take();

  const Mapper mapper(subject, options);
  std::vector<torch::Tensor> maps(train_images.size()), labels(train_images.size());
  mapper.each(train_images, "maps of the training images", [&](std::size_t i, const Mapper::Mapped& mapped) {
    maps[i] = mapped.map;
    labels[i] = read_truth(train_images[i], mapped.height, mapped.width, options);
  });
  const Standard standard(maps);
  for (torch::Tensor& map : maps) map = standard.apply(map);

  LinearSegmenter segmenter(maps[0].size(0), options.classes, device);
  train::Optimizer optimizer(train::default_groups(*segmenter.layer(), options.optimizer.exclude_1d), options.optimizer);
  const std::int64_t updates = (static_cast<std::int64_t>(maps.size()) + options.batch - 1) / options.batch * options.epochs;
  Segmented out;
  std::int64_t update = 0;
  core::Progress progress(subject.name + ": classifier", options.epochs, "epochs");
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    out.loss = segmenter.train_epoch(maps, labels, options.batch, options.subject.seed, epoch, [&] {
      const double rate = train::cosine(options.lr, 0.0, static_cast<double>(update++) / static_cast<double>(updates));
      optimizer.step(rate, options.lr, options.weight_decay);
    });
    progress.advance(1, fmt::format("loss {:.4f}", out.loss));
  }
  progress.finish();
  if (!std::isfinite(out.loss)) fail(Exit::bad_data, "the classifier diverged: the loss is not finite; try a smaller --lr");

  out.folder = output.path() / subject.name;
  fs::remove_all(out.folder);  // of an earlier run, perhaps with other test images
  core::create_folder_atomically(out.folder, [&](const fs::path& temporary) {
    mapper.each(test_images, "predictions", [&](std::size_t i, const Mapper::Mapped& mapped) {
      const data::Labels labels_of_image = predict(segmenter, standard.apply(mapped.map), mapped.height, mapped.width);
      core::write_atomically(temporary / (test_images[i].stem + ".png"), data::encode_labels(labels_of_image));
    });
  });
  out.trained = static_cast<std::int64_t>(train_images.size());
  out.predicted = static_cast<std::int64_t>(test_images.size());
  out.model = subject.model;
  out.protocol = options.subject.protocol(subject);
  out.protocol.update({{"classifier", "1x1 convolution on standardised channels, logits enlarged bilinearly"},
                       {"training images", out.trained},
                       {"epochs", options.epochs},
                       {"learning rate", options.lr},
                       {"optimizer", options.optimizer.optimizer},
                       {"seed", options.subject.seed},
                       {"cross-entropy at the end", out.loss}});
  core::log_info("{}: {} images predicted by a linear classifier trained on {} (cross-entropy {:.4f})", subject.name, out.predicted,
                 out.trained, out.loss);
  return out;
}

}  // namespace selfsight::tasks
