// View recipes: what is drawn at random for one view of one image, and how the view is made from what was drawn.
#pragma once

#include "core/options.h"
#include "core/rng.h"
#include "data/ops.h"

#include <nlohmann/json_fwd.hpp>

#include <array>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace selfsight::data {

/// The distribution of one kind of view. Operations act in the order of the fields: crop, flip, jitter, grey, blur, solarize.
struct Recipe {
  std::string name = "view";
  std::int64_t size = 224;  ///< side of the (square) view
  /// "random" (random resized), "padded" (cut from the image with black around it, not resized), "centre" (resize the short side, cut the
  /// middle), "none" (resize whole).
  std::string crop = "random";
  double scale_min = 0.08, scale_max = 1.0;  ///< area share of a random crop
  double ratio_min = 3.0 / 4, ratio_max = 4.0 / 3;
  double suppress_alpha = 0;  ///< > 0: the corner of a random crop is drawn by Beta(alpha, alpha), so that for small alpha crops lie at ...
  double suppress_low = 0.25, suppress_high = 0.75;  ///< ... the edges of the box that their centres stay in (shares of either side)
  std::int64_t padding = 4;                          ///< "padded": pixels of black on each side
  double centre_share = 0.875;                       ///< "centre": side / resized short side
  std::string filter = "bilinear";                   ///< or "bicubic"
  double flip = 0.5;                                 ///< probability
  double jitter = 0.0;                               ///< probability of colour jitter; its four parts act in random order
  double brightness = 0.0, contrast = 0.0, saturation = 0.0, hue = 0.0;  ///< ranges as torchvision's ColorJitter
  double grey = 0.0;                                                     ///< probability
  double blur = 0.0;                                                     ///< probability
  double sigma_min = 0.1, sigma_max = 2.0;                               ///< of the blur
  std::int64_t blur_kernel = 0;                                          ///< taps; 0: a tenth of the side, made odd, at least 3
  double solarize = 0.0;                                                 ///< probability, threshold 128

  std::string option_prefix;  ///< of its options, as describe() had it: for messages

  /// Options named <prefix>size, <prefix>scale-min, <prefix>jitter ... but for those in `without`, which the owner sets by other options.
  void describe(core::Options& options, const std::string& prefix, const std::set<std::string>& without = {});
  /// Error: usage, naming both options, for a least value that is above the largest (scale, ratio, sigma). The loader calls it too; a tool
  /// that does so before the work tells sooner.
  void check() const;
};

/// The published recipes, for views of `size` pixels.
Recipe simclr_recipe(std::int64_t size, double strength = 1.0);  ///< SimCLR, appendix A
Recipe moco_v2_recipe(std::int64_t size);                        ///< MoCo v2
std::vector<Recipe> byol_recipes(std::int64_t size);             ///< BYOL: asymmetric blur and solarize, appendix B
std::vector<Recipe> multi_crop_recipes(const std::string& style, std::int64_t global, std::int64_t local,
                                       std::int64_t locals);  ///< style "swav" or "dino"
Recipe mae_recipe(std::int64_t size);                         ///< MAE: crop 0.2-1 bicubic and flip
Recipe eval_recipe(std::int64_t size);                        ///< centre crop; "none" when the images already have the size

/// Where a view came from, in pixels of the decoded (upright) source.
struct Geometry {
  std::int64_t source_height = 0, source_width = 0;
  Box box;  ///< of a "padded" crop it may reach outside of the source, on any side: what lies there is black
  bool flip = false;
};

/// Everything that was drawn for one view: view = apply(image, drawn).
struct Drawn {
  Geometry geometry;
  std::vector<int> jitter_order;  ///< of 0 brightness, 1 contrast, 2 saturation, 3 hue; empty without jitter
  double brightness = 1, contrast = 1, saturation = 1, hue = 0;
  bool grey = false, solarize = false;
  double blur_sigma = 0;  ///< 0: no blur
};

/// Draws with torchvision's distributions (of a padded crop: RandomCrop's with `padding`; where the padded image is still smaller than the
/// view, the view shows all of it at a random place in more black). The count of numbers used does not depend on what is drawn.
Drawn draw(const Recipe& recipe, std::int64_t height, std::int64_t width, core::Rng& rng);
/// The least of its picture that a view needs, to be seen as finely as the view is. A random crop that has twice the view's size or more
/// is content with a picture reduced as far as leaves it no smaller than the view.
Part needed(const Recipe& recipe, const Drawn& drawn);
/// What serves both.
Part together(const Part& a, const Part& b);

/// Changes of colour that follow each other, at most as many as a view has.
struct ColourSteps {
  std::array<ColourStep, 6> steps{};
  std::size_t count = 0;
  void add(const ColourStep& step) { steps.at(count++) = step; }
  /*implicit*/ operator std::span<const ColourStep>() const { return {steps.data(), count}; }
};

/// What apply() does to an image that holds a part of the picture, in order, with all its numbers.
struct Steps {
  Region region{0, 0, 0, 0};           ///< of the image; it becomes height x width, of which the window is the view
  std::int64_t height = 0, width = 0;  ///< pixels
  Box window;                          ///< size x size
  Interpolation filter = Interpolation::bilinear;
  bool flip = false;
  bool padded = false;    ///< nothing is resized, and the region may reach outside of the image: what lies there is black
  ColourSteps before;     ///< the blur
  double blur_sigma = 0;  ///< 0: no blur
  std::int64_t blur_kernel = 0;
  ColourSteps after;  ///< the blur
};
Steps steps_of(const Recipe& recipe, const Drawn& drawn, const Part& part);

/// Makes the view from an image that holds `part` of the picture; `out` is size x size with the image's channels.
void apply(const Image& image, const Part& part, const Recipe& recipe, const Drawn& drawn, Pixels out);
/// The same from the whole picture.
void apply(const Image& image, const Recipe& recipe, const Drawn& drawn, Image& out);

}  // namespace selfsight::data
