// `ssl-dense segment`: a linear classifier (1x1 convolution) on frozen feature maps, enlarged to the size of the labels, predicts the class
// of every pixel. What it predicts is scored by seg-parse.
#pragma once

#include "tasks/dense_subject.h"
#include "tasks/output_folder.h"
#include "train/optimizer.h"

#include <filesystem>
#include <string>
#include <vector>

namespace selfsight::tasks {

struct SegmentOptions {
  DenseSubject subject;
  std::string images, labels;              ///< folders of the training images, and of their label images (PNG)
  std::string test;                        ///< folder of the images to predict
  std::string image_suffix, label_suffix;  ///< what file names have behind the part that an image and its labels share
  std::int64_t classes = 0;
  std::vector<std::int64_t> void_labels{255};
  std::int64_t side = 0;  ///< the images' short side is resized to it before the network; 0: as it is
  std::int64_t epochs = 30, batch = 8;
  std::int64_t label_stride = 1;  ///< the loss looks at every so manyth row and column of the labels
  double lr = 0.01, weight_decay = 0;
  train::OptimizerOptions optimizer;

  SegmentOptions();
  void describe(core::Options& options);
  /// Before any work. Error: usage, no_input (a folder that is missing).
  void check() const;
};

/// An image and its labels.
struct LabelledImage {
  std::string stem;  ///< path below the folder, without suffix and ending
  std::filesystem::path image, labels;
};
/// Images below `images` (all kinds that ssl-data takes, hidden ones apart), in order of their stems, with the label image of the same
/// stem where `labels` is not empty. Errors: bad_data (no image; an image without labels; two images of one stem).
std::vector<LabelledImage> labelled_images(const std::string& images, const std::string& labels, const std::string& image_suffix,
                                           const std::string& label_suffix);

/// The classifier on maps of any size.
class LinearSegmenter {
 public:
  /// Zeros to begin with: the problem is convex, so nothing depends on where it starts.
  LinearSegmenter(std::int64_t channels, std::int64_t classes, const torch::Device& device);
  /// Logits of every pixel, classes x height x width, bilinearly enlarged from those of the cells. map: C x h x w.
  torch::Tensor forward(const torch::Tensor& map, std::int64_t height, std::int64_t width);
  /// One pass over maps (C x h x w each) and labels (H x W int16, -1: void): batches by (seed, epoch); `update` is called after the
  /// gradient of each. Returns the mean cross-entropy over the pixels that are not void.
  double train_epoch(const std::vector<torch::Tensor>& maps, const std::vector<torch::Tensor>& labels, std::int64_t batch,
                     std::uint64_t seed, std::int64_t epoch, const std::function<void()>& update);
  [[nodiscard]] torch::nn::Conv2d& layer() { return layer_; }

 private:
  torch::nn::Conv2d layer_;
};

struct Segmented {
  std::filesystem::path folder;             ///< of the predictions: <subject>/<stem>.png below the folder asked for
  double loss = 0;                          ///< mean cross-entropy over the pixels of the last epoch
  std::int64_t trained = 0, predicted = 0;  ///< images
  manifest::Json protocol, model;           ///< model: the manifest of whose features they are
};

/// Computes the maps of all training images (they are kept in memory), standardises each channel, trains the classifier, and writes a label
/// image for every test image into <output>/<subject>, which it replaces as a whole. The same bytes for the same seed and thread count.
/// Errors: as check() and labelled_images(); bad_data naming the file (an image that cannot be decoded; labels of another size than their
/// image; a label that is neither class nor void: with its pixel; features that are not finite).
Segmented segment(const manifest::Model& model, const SegmentOptions& options, const OutputFolder& output);

}  // namespace selfsight::tasks
