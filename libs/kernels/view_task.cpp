#include "kernels/view_task.h"

#include "core/error.h"

#include <iterator>

namespace selfsight::kernels {
namespace {

ColourChange change_of(const data::ColourStep& step) {
  // PIL adds the shift of a hue as an unsigned byte.
  const double amount = step.kind == data::Colour::hue ? static_cast<std::uint8_t>(static_cast<int>(step.amount * 255)) : step.amount;
  return {step.kind, static_cast<float>(amount)};
}

}  // namespace

Normalisation::Normalisation(const std::vector<double>& means, const std::vector<double>& stddevs) {
  for (std::size_t c = 0; c < means.size() && c < std::size(mean); ++c) {
    mean[c] = static_cast<float>(means[c]) * 255.0F;
    stddev[c] = static_cast<float>(stddevs.at(c)) * 255.0F;
  }
}

void check_size(const data::Recipe& recipe) {
  if (recipe.size > largest_view) {
    core::fail(core::Exit::usage, "--{}size {}: views made on a device have at most {} pixels a side", recipe.option_prefix, recipe.size,
               largest_view);
  }
}

ViewTask view_task(const data::Recipe& recipe, const data::Drawn& drawn, const data::Part& part, const data::Size& image,
                   std::vector<float>& taps) {
  check_size(recipe);
  const data::Steps steps = data::steps_of(recipe, drawn, part);
  ViewTask task;
  task.height = static_cast<std::int32_t>(image.height);
  task.width = static_cast<std::int32_t>(image.width);
  task.size = static_cast<std::int32_t>(recipe.size);
  task.flip = steps.flip;
  task.left = static_cast<std::int32_t>(steps.window.x);
  task.top = static_cast<std::int32_t>(steps.window.y);
  task.keeps_pixels = steps.padded || data::keeps_pixels(steps.region, steps.height, steps.width);
  if (task.keeps_pixels) {
    task.left += static_cast<std::int32_t>(steps.region.x);
    task.top += static_cast<std::int32_t>(steps.region.y);
  } else {
    task.down_first = data::down_first(steps.region, steps.height, steps.width);
    task.across = {steps.region.x, steps.region.width, image.width, steps.width, steps.filter};
    task.down = {steps.region.y, steps.region.height, image.height, steps.height, steps.filter};
    const std::int64_t most = std::max(task.across.taps, task.down.taps);
    if (most > largest_view) {
      core::fail(core::Exit::bad_data, "{} x {} pixels, too many to make a view of {} of them on a device", image.height, image.width,
                 recipe.size);
    }
  }
  for (const data::ColourStep& step : std::span<const data::ColourStep>(steps.before)) task.changes[task.before++] = change_of(step);
  for (const data::ColourStep& step : std::span<const data::ColourStep>(steps.after))
    task.changes[task.before + task.after++] = change_of(step);
  if (steps.blur_sigma > 0) {
    const std::vector<float> own = data::blur_taps(steps.blur_kernel, steps.blur_sigma, recipe.size);
    task.reach = static_cast<std::int32_t>(own.size() / 2);
    taps.insert(taps.end(), own.begin(), own.end());
  }
  return task;
}

std::size_t scratch_bytes(const ViewTask& task, std::int64_t channels) {
  const auto size = static_cast<std::size_t>(task.size);
  const std::size_t pixels = size * size * (channels == 1 ? sizeof(StoredPixel<1>) : sizeof(StoredPixel<3>));
  const std::size_t tables = task.keeps_pixels ? 0 : size * static_cast<std::size_t>(task.across.taps + task.down.taps + 2) * sizeof(float);
  constexpr std::size_t line = 256;  // so that every block's begins where vectors of any width may
  return (pixels + 3) / 4 * 4 + (tables + line - 1) / line * line + line;
}

}  // namespace selfsight::kernels
