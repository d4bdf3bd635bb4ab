#include "data/view.h"

#include "core/error.h"

#include <algorithm>
#include <cmath>

namespace selfsight::data {
namespace {

// The sizes of the two published strengths of colour jitter.
void set_jitter(Recipe& recipe, double probability, double brightness, double contrast, double saturation, double hue) {
  recipe.jitter = probability;
  recipe.brightness = brightness;
  recipe.contrast = contrast;
  recipe.saturation = saturation;
  recipe.hue = hue;
}

std::int64_t rounded(double value) { return static_cast<std::int64_t>(std::nearbyint(value)); }

// A number of {0 .. bound - 1} from exactly one draw.
std::int64_t pick(core::Rng& rng, std::int64_t bound) {
  return std::min(static_cast<std::int64_t>(rng.uniform() * static_cast<double>(bound)), bound - 1);
}

// Where a crop of `size` pixels begins on a side of `length` when its centre is held inside a box and pushed to the box's edges
// (ContrastiveCrop, arXiv 2202.03278, section 3.3). Crops that would stick out of the image are moved in.
std::int64_t suppressed(const Recipe& recipe, std::int64_t length, std::int64_t size, core::Rng& rng) {
  const auto centred = [&](double share) { return static_cast<std::int64_t>(static_cast<double>(length) * share) - size / 2; };
  const std::int64_t least = std::clamp<std::int64_t>(centred(recipe.suppress_low), 0, length - size);
  const std::int64_t most = std::clamp<std::int64_t>(centred(recipe.suppress_high), least, length - size);
  return least + rounded(static_cast<double>(most - least) * rng.beta(recipe.suppress_alpha, recipe.suppress_alpha));
}

// torchvision's RandomResizedCrop.get_params.
Box random_box(const Recipe& recipe, std::int64_t height, std::int64_t width, core::Rng& rng) {
  const double area = static_cast<double>(height) * static_cast<double>(width);
  const double log_min = std::log(recipe.ratio_min), log_max = std::log(recipe.ratio_max);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * rng.uniform(recipe.scale_min, recipe.scale_max);
    const double ratio = std::exp(rng.uniform(log_min, log_max));
    const std::int64_t w = rounded(std::sqrt(target * ratio)), h = rounded(std::sqrt(target / ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const std::int64_t y = recipe.suppress_alpha > 0 ? suppressed(recipe, height, h, rng) : pick(rng, height - h + 1);
    const std::int64_t x = recipe.suppress_alpha > 0 ? suppressed(recipe, width, w, rng) : pick(rng, width - w + 1);
    return {x, y, w, h};
  }
  const double ratio = static_cast<double>(width) / static_cast<double>(height);
  std::int64_t w = width, h = height;
  if (ratio < recipe.ratio_min) {
    h = std::clamp<std::int64_t>(rounded(static_cast<double>(w) / recipe.ratio_min), 1, height);
  } else if (ratio > recipe.ratio_max) {
    w = std::clamp<std::int64_t>(rounded(static_cast<double>(h) * recipe.ratio_max), 1, width);
  }
  return {(width - w) / 2, (height - h) / 2, w, h};
}

// torchvision's RandomCrop with padding. Of an image that is smaller than the view even so, the bounds change places.
Box padded_box(const Recipe& recipe, std::int64_t height, std::int64_t width, core::Rng& rng) {
  const auto place = [&](std::int64_t side) {
    const std::int64_t one = -recipe.padding, other = side + recipe.padding - recipe.size;
    return std::min(one, other) + pick(rng, std::abs(other - one) + 1);
  };
  const std::int64_t y = place(height);
  return {place(width), y, recipe.size, recipe.size};
}

// `box` of the picture; 0 where it reaches outside of what there is.
Image cut_out(const Image& source, const Box& box) {
  Image out(box.height, box.width, source.channels);
  const std::int64_t left = std::max<std::int64_t>(box.x, 0), right = std::min(box.x + box.width, source.width);
  const std::int64_t top = std::max<std::int64_t>(box.y, 0), bottom = std::min(box.y + box.height, source.height);
  for (std::int64_t y = top; y < bottom && left < right; ++y)
    std::copy_n(source.row(y) + left * source.channels, (right - left) * source.channels,
                out.row(y - box.y) + (left - box.x) * source.channels);
  return out;
}

// Of a picture's pixels, those of `box` with `margin` around it.
Box inside(const Box& box, std::int64_t margin, std::int64_t height, std::int64_t width) {
  const std::int64_t left = std::clamp<std::int64_t>(box.x - margin, 0, width), top = std::clamp<std::int64_t>(box.y - margin, 0, height);
  return {left, top, std::clamp<std::int64_t>(box.x + box.width + margin, left, width) - left,
          std::clamp<std::int64_t>(box.y + box.height + margin, top, height) - top};
}

// What "centre" resizes the whole image to, and the window it cuts from that.
struct Centre {
  std::int64_t height, width;
  Box window;
};

Centre centre_of(const Recipe& recipe, std::int64_t height, std::int64_t width) {
  if (height == recipe.size && width == recipe.size) return {height, width, {0, 0, width, height}};
  const std::int64_t side = std::max(rounded(static_cast<double>(recipe.size) / recipe.centre_share), recipe.size);
  const std::int64_t shorter = std::min(height, width), longer = std::max(height, width);
  const auto stretched = static_cast<std::int64_t>(static_cast<double>(side) * static_cast<double>(longer) / static_cast<double>(shorter));
  const std::int64_t h = height <= width ? side : stretched, w = height <= width ? stretched : side;
  const auto margin = [&](std::int64_t from) { return rounded(static_cast<double>(from - recipe.size) / 2.0); };
  return {h, w, {margin(w), margin(h), recipe.size, recipe.size}};
}

// The part of the source that the window of the resized image shows.
Box seen_box(const Centre& centre, std::int64_t height, std::int64_t width) {
  const double sy = static_cast<double>(height) / static_cast<double>(centre.height),
               sx = static_cast<double>(width) / static_cast<double>(centre.width);
  const std::int64_t x = rounded(static_cast<double>(centre.window.x) * sx), y = rounded(static_cast<double>(centre.window.y) * sy);
  const std::int64_t w = rounded(static_cast<double>(centre.window.width) * sx),
                     h = rounded(static_cast<double>(centre.window.height) * sy);
  return {x, y, std::clamp<std::int64_t>(w, 1, width - x), std::clamp<std::int64_t>(h, 1, height - y)};
}

std::int64_t kernel_of(const Recipe& recipe) {
  if (recipe.blur_kernel > 0) return recipe.blur_kernel | 1;
  return std::max<std::int64_t>(recipe.size / 10 | 1, 3);
}

}  // namespace

void Recipe::check() const {
  const auto ordered = [&](const char* what, double least, double largest) {
    if (least > largest)
      core::fail(core::Exit::usage, "--{0}{1}-min {2} is above --{0}{1}-max {3}: nothing lies between them", option_prefix, what, least,
                 largest);
  };
  ordered("scale", scale_min, scale_max);
  ordered("ratio", ratio_min, ratio_max);
  ordered("sigma", sigma_min, sigma_max);
}

void Recipe::describe(core::Options& options, const std::string& prefix, const std::set<std::string>& without) {
  option_prefix = prefix;
  const auto probability = [&](const std::string& option, double& field, const std::string& help) {
    options.add(prefix + option, &field, help).range(0, 1);
  };
  options.add(prefix + "size", &size, "side of the view in pixels; 0: the images' own side").range(0, 4096);
  options.add(prefix + "crop", &crop, "random resized crop, crop of the image with black around it, the centre, or the whole image")
      .choices({"random", "padded", "centre", "none"});
  options.add(prefix + "scale-min", &scale_min, "smallest share of the area in a random crop").range(1e-4, 1);
  options.add(prefix + "scale-max", &scale_max, "largest share of the area in a random crop").range(1e-4, 1);
  options.add(prefix + "ratio-min", &ratio_min, "smallest width / height of a random crop").range(0.01, 100);
  options.add(prefix + "ratio-max", &ratio_max, "largest width / height of a random crop").range(0.01, 100);
  options.add(prefix + "padding", &padding, "pixels of black on each side of the image for a padded crop").range(0, 4096);
  options.add(prefix + "centre-share", &centre_share, "side of a centre crop / resized short side").range(0.1, 1);
  options.add(prefix + "filter", &filter, "resampling filter").choices({"bilinear", "bicubic"});
  probability("flip", flip, "probability of mirroring");
  probability("jitter", jitter, "probability of colour jitter");
  options.add(prefix + "brightness", &brightness, "range of the brightness factor around 1").range(0, 10);
  options.add(prefix + "contrast", &contrast, "range of the contrast factor around 1").range(0, 10);
  options.add(prefix + "saturation", &saturation, "range of the saturation factor around 1").range(0, 10);
  options.add(prefix + "hue", &hue, "largest shift of the hue, in turns of the colour circle").range(0, 0.5);
  probability("grey", grey, "probability of losing all colour");
  if (!without.contains("blur")) probability("blur", blur, "probability of a Gaussian blur");
  options.add(prefix + "sigma-min", &sigma_min, "smallest sigma of the blur in pixels").range(0.01, 100);
  options.add(prefix + "sigma-max", &sigma_max, "largest sigma of the blur in pixels").range(0.01, 100);
  options.add(prefix + "blur-kernel", &blur_kernel, "taps of the blur; 0: a tenth of the side").range(0, 255);
  if (!without.contains("solarize")) probability("solarize", solarize, "probability of inverting all values from 128 on");
}

Recipe simclr_recipe(std::int64_t size, double strength) {
  Recipe recipe;
  recipe.size = size;
  set_jitter(recipe, 0.8, 0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength);
  recipe.grey = 0.2;
  recipe.blur = 0.5;
  return recipe;
}

// PIL's Gaussian blur, which the releases of MoCo, SwAV and DINO use, does not cut its kernel off: wide enough for every sigma of theirs.
constexpr std::int64_t whole_blur = 23;

Recipe moco_v2_recipe(std::int64_t size) {
  Recipe recipe = simclr_recipe(size, 0.5);
  recipe.scale_min = 0.2;
  recipe.blur_kernel = whole_blur;
  return recipe;
}

std::vector<Recipe> byol_recipes(std::int64_t size) {
  Recipe first;
  first.size = size;
  first.filter = "bicubic";
  set_jitter(first, 0.8, 0.4, 0.4, 0.2, 0.1);
  first.grey = 0.2;
  Recipe second = first;
  first.name = "view-1";
  first.blur = 1.0;
  second.name = "view-2";
  second.blur = 0.1;
  second.solarize = 0.2;
  return {first, second};
}

std::vector<Recipe> multi_crop_recipes(const std::string& style, std::int64_t global, std::int64_t local, std::int64_t locals) {
  std::vector<Recipe> recipes;
  if (style == "swav") {
    for (std::int64_t i = 0; i < 2 + locals; ++i) {
      Recipe recipe = simclr_recipe(i < 2 ? global : local);
      recipe.scale_min = i < 2 ? 0.14 : 0.05;
      recipe.scale_max = i < 2 ? 1.0 : 0.14;
      recipe.blur_kernel = whole_blur;
      recipes.push_back(recipe);
    }
  } else if (style == "dino") {
    for (std::int64_t i = 0; i < 2 + locals; ++i) {
      Recipe recipe = byol_recipes(i < 2 ? global : local)[i == 1 ? 1 : 0];
      recipe.scale_min = i < 2 ? 0.4 : 0.05;
      recipe.scale_max = i < 2 ? 1.0 : 0.4;
      recipe.blur_kernel = whole_blur;
      if (i >= 2) recipe.blur = 0.5;
      recipes.push_back(recipe);
    }
  } else {
    core::fail(core::Exit::usage, "unknown style of multi-crop '{}' (known: dino, swav)", style);
  }
  for (std::int64_t i = 0; i < 2 + locals; ++i) {
    recipes[static_cast<std::size_t>(i)].name = i < 2 ? fmt::format("global-{}", i + 1) : fmt::format("local-{}", i - 1);
  }
  return recipes;
}

Recipe mae_recipe(std::int64_t size) {
  Recipe recipe;
  recipe.size = size;
  recipe.scale_min = 0.2;
  recipe.filter = "bicubic";
  return recipe;
}

Recipe eval_recipe(std::int64_t size) {
  Recipe recipe;
  recipe.name = "eval";
  recipe.size = size;
  recipe.crop = "centre";
  recipe.flip = 0;
  return recipe;
}

Drawn draw(const Recipe& recipe, std::int64_t height, std::int64_t width, core::Rng& rng) {
  Drawn drawn;
  drawn.geometry.source_height = height;
  drawn.geometry.source_width = width;
  // The attempts of a crop take as many numbers as they need, so they have a stream of their own.
  core::Rng crop_rng(rng.bits64(), core::Stream::view);
  if (recipe.crop == "random") {
    drawn.geometry.box = random_box(recipe, height, width, crop_rng);
  } else if (recipe.crop == "padded") {
    drawn.geometry.box = padded_box(recipe, height, width, crop_rng);
  } else if (recipe.crop == "centre") {
    drawn.geometry.box = seen_box(centre_of(recipe, height, width), height, width);
  } else {
    drawn.geometry.box = {0, 0, width, height};
  }
  drawn.geometry.flip = rng.chance(recipe.flip);

  const bool jitter = rng.chance(recipe.jitter);
  std::array<int, 4> order = {0, 1, 2, 3};
  for (std::int64_t i = 4; i > 1; --i) std::swap(order[static_cast<std::size_t>(i - 1)], order[static_cast<std::size_t>(pick(rng, i))]);
  const auto factor = [&](double range) { return rng.uniform(std::max(0.0, 1.0 - range), 1.0 + range); };
  const double brightness = factor(recipe.brightness), contrast = factor(recipe.contrast), saturation = factor(recipe.saturation);
  const double hue = rng.uniform(-recipe.hue, recipe.hue);
  if (jitter) {
    const std::array<double, 4> ranges = {recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue};
    for (const int part : order) {
      if (ranges[static_cast<std::size_t>(part)] > 0) drawn.jitter_order.push_back(part);
    }
    drawn.brightness = brightness;
    drawn.contrast = contrast;
    drawn.saturation = saturation;
    drawn.hue = hue;
  }
  drawn.grey = rng.chance(recipe.grey);
  const bool blur = rng.chance(recipe.blur);
  const double sigma = rng.uniform(recipe.sigma_min, recipe.sigma_max);
  drawn.blur_sigma = blur ? sigma : 0;
  drawn.solarize = rng.chance(recipe.solarize);
  return drawn;
}

Part needed(const Recipe& recipe, const Drawn& drawn) {
  const Geometry& g = drawn.geometry;
  if (recipe.crop == "padded") return {inside(g.box, 0, g.source_height, g.source_width)};
  if (recipe.crop == "centre") {
    // Pixels beyond the box weigh on those at its edges, the more so the more the picture shrinks.
    const double shrunk = std::max(1.0, static_cast<double>(g.box.width) / static_cast<double>(recipe.size));
    return {inside(g.box, static_cast<std::int64_t>(std::ceil(2 * shrunk)) + 1, g.source_height, g.source_width)};
  }
  std::int64_t reduce = 1;
  const std::int64_t side = std::min(g.box.width, g.box.height);
  while (recipe.crop == "random" && reduce < 8 && side >= 2 * reduce * recipe.size) reduce *= 2;
  return {g.box, reduce};
}

Part together(const Part& a, const Part& b) {
  const std::int64_t left = std::min(a.box.x, b.box.x), top = std::min(a.box.y, b.box.y);
  return {{left, top, std::max(a.box.x + a.box.width, b.box.x + b.box.width) - left,
           std::max(a.box.y + a.box.height, b.box.y + b.box.height) - top},
          std::min(a.reduce, b.reduce)};
}

void apply(const Image& image, const Recipe& recipe, const Drawn& drawn, Image& out) {
  out.reshape(recipe.size, recipe.size, image.channels);
  apply(image, {{0, 0, image.width, image.height}}, recipe, drawn, out);
}

Steps steps_of(const Recipe& recipe, const Drawn& drawn, const Part& part) {
  const Geometry& geometry = drawn.geometry;
  Steps out;
  out.height = out.width = recipe.size;
  out.window = {0, 0, recipe.size, recipe.size};
  out.filter = recipe.filter == "bicubic" ? Interpolation::bicubic : Interpolation::bilinear;
  out.flip = geometry.flip;
  out.padded = recipe.crop == "padded";
  Box box = geometry.box;
  if (recipe.crop == "centre") {
    const Centre centre = centre_of(recipe, geometry.source_height, geometry.source_width);
    box = {0, 0, geometry.source_width, geometry.source_height};
    out.height = centre.height, out.width = centre.width, out.window = centre.window;
  }
  // A box of the picture, in pixels of the image.
  const auto r = static_cast<double>(part.reduce);
  out.region = Region(static_cast<double>(box.x - part.box.x) / r, static_cast<double>(box.y - part.box.y) / r,
                      static_cast<double>(box.width) / r, static_cast<double>(box.height) / r);
  for (const int one : drawn.jitter_order) {
    constexpr std::array kinds = {Colour::brightness, Colour::contrast, Colour::saturation, Colour::hue};
    const std::array amounts = {drawn.brightness, drawn.contrast, drawn.saturation, drawn.hue};
    out.before.add({kinds[static_cast<std::size_t>(one)], amounts[static_cast<std::size_t>(one)]});
  }
  if (drawn.grey) out.before.add({Colour::grey});
  out.blur_sigma = drawn.blur_sigma;
  if (drawn.blur_sigma > 0) out.blur_kernel = kernel_of(recipe);
  if (drawn.solarize) (drawn.blur_sigma > 0 ? out.after : out.before).add({Colour::solarize, 128});
  return out;
}

void apply(const Image& image, const Part& part, const Recipe& recipe, const Drawn& drawn, Pixels out) {
  const Steps steps = steps_of(recipe, drawn, part);
  if (steps.padded) {
    const Box box{static_cast<std::int64_t>(steps.region.x), static_cast<std::int64_t>(steps.region.y), recipe.size, recipe.size};
    resample(cut_out(image, box), steps.window, recipe.size, recipe.size, steps.window, steps.filter, steps.flip, out);
  } else {
    resample(image, steps.region, steps.height, steps.width, steps.window, steps.filter, steps.flip, out);
  }
  recolour(out, steps.before);
  if (steps.blur_sigma > 0) gaussian_blur(out, steps.blur_kernel, steps.blur_sigma);
  recolour(out, steps.after);
}

}  // namespace selfsight::data
