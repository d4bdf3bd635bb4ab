// The program of a view as a block of threads runs it: threads that meet at barriers share its memory, as on a device. Built with a thread
// sanitizer, this finds what a device would race for.
#include "kernels/augment_block.h"

#include "data/multi_crop.h"
#include "kernels/augment.h"
#include "unit/data/support.h"

#include <algorithm>
#include <barrier>
#include <cmath>
#include <functional>
#include <thread>

namespace selfsight::kernels {
namespace {

constexpr int threads = 4;

struct Block {
  std::barrier<> barrier{threads};
  std::int64_t partial[threads] = {};
};

struct ThreadRun {
  Block* block;
  std::int32_t index;

  template <typename F>
  void for_each(std::int32_t count, const F& f) const {
    for (std::int32_t i = index; i < count; i += threads) f(i);
    block->barrier.arrive_and_wait();
  }
  template <typename F>
  [[nodiscard]] std::int64_t sum(std::int32_t count, const F& f) const {
    std::int64_t own = 0;
    for (std::int32_t i = index; i < count; i += threads) own += f(i);
    block->partial[index] = own;
    block->barrier.arrive_and_wait();
    std::int64_t all = 0;
    for (const std::int64_t one : block->partial) all += one;
    block->barrier.arrive_and_wait();
    return all;
  }
};

template <int channels>
void check_block(const data::Recipe& recipe, const data::Drawn& drawn, const data::Image& image) {
  std::vector<float> taps;
  ViewTask task = view_task(recipe, drawn, {{0, 0, image.width, image.height}}, {image.height, image.width}, taps);
  const auto values = static_cast<std::size_t>(recipe.size * recipe.size * channels);
  std::vector<float> expected(values), made(values);
  task.picture = image.pixels.data();
  task.taps = taps.data();
  task.out = expected.data();
  make_views({&task, 1}, {}, channels, Element::float32, 1);

  task.out = made.data();
  // What lies beyond the memory that was promised must stay as it is.
  constexpr std::size_t beyond = 512;
  constexpr auto untouched = std::byte{0xA5};
  const std::size_t bytes = scratch_bytes(task, channels);
  std::vector<std::byte> scratch(bytes + beyond, untouched);
  std::vector<float> middle(middle_values + beyond, -1.0F);
  Block block;
  const Normalisation none;
  std::vector<std::thread> all;
  for (std::int32_t t = 0; t < threads; ++t)
    all.emplace_back([&, t] { make_view<channels, float>(ThreadRun{&block, t}, task, none, middle.data(), scratch.data()); });
  for (std::thread& thread : all) thread.join();
  CHECK(made == expected);
  CHECK(std::all_of(scratch.begin() + static_cast<std::ptrdiff_t>(bytes), scratch.end(), [](std::byte b) { return b == untouched; }));
  CHECK(std::all_of(middle.begin() + middle_values, middle.end(), [](float value) { return value == -1.0F; }));
}

}  // namespace

TEST_CASE("a block of threads makes what one thread makes, within its memory") {
  for (const std::int64_t size : {1, 3, 31, 64}) {
    std::vector<data::Recipe> recipes = {data::simclr_recipe(size), data::eval_recipe(size), data::mae_recipe(size)};
    for (const data::Recipe& recipe : data::byol_recipes(size)) recipes.push_back(recipe);
    data::Recipe padded = data::simclr_recipe(size);
    padded.crop = "padded";
    recipes.push_back(padded);
    for (std::size_t r = 0; r < recipes.size(); ++r) {
      for (const auto& [height, width] : std::vector<std::pair<std::int64_t, std::int64_t>>{{50, 70}, {400, 30}, {30, 400}}) {
        core::Rng rng(21, core::Stream::test, static_cast<std::uint64_t>(size), r);
        const data::Drawn drawn = data::draw(recipes[r], height, width, rng);
        const std::string what = fmt::format("recipe {} at {} of {} x {}", r, size, height, width);
        CAPTURE(what);
        data::Image colour = data::noise(r, height, width), grey(height, width, 1);
        std::copy_n(colour.pixels.begin(), grey.pixels.size(), grey.pixels.begin());
        check_block<3>(recipes[r], drawn, colour);
        check_block<1>(recipes[r], drawn, grey);
      }
    }
  }
}

TEST_CASE("a band has no more sources than there is room for") {
  core::Rng rng(22, core::Stream::test);
  struct OneThread {
    void for_each(std::int32_t count, const std::function<void(std::int32_t)>& f) const {
      for (std::int32_t i = 0; i < count; ++i) f(i);
    }
  };
  std::vector<std::int32_t> words;
  std::int32_t most = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    const auto length = static_cast<std::int64_t>(std::exp(rng.uniform(0, 9))) + 1;
    const double from = rng.uniform(0, static_cast<double>(length) / 2), in = rng.uniform(0.5, static_cast<double>(length) - from);
    const auto size = static_cast<std::int32_t>(rng.below(200) + 1), room = static_cast<std::int32_t>(rng.below(300) + 1);
    const auto filter = rng.below(2) == 0 ? data::Interpolation::bilinear : data::Interpolation::bicubic;
    const data::Sampling by(std::floor(from), std::ceil(in), length, size, filter);
    words.assign(static_cast<std::size_t>(size) * static_cast<std::size_t>(by.taps + 2), 0);
    const Tables tables{words.data(), size, static_cast<std::int32_t>(by.taps), 0};
    tabulate<Along::rows>(OneThread{}, by, 0, trial % 2 == 0, tables);
    const std::int32_t band = values_from(tables.row_taps, by.scale, room);
    for (std::int32_t at = 0; at < size; ++at) {
      const Lines lines = sources<Along::rows>(tables, at, std::min(band, size - at));
      most = std::max(most, lines.count - std::max(room, tables.row_taps));
      if (lines.begin < 0 || lines.begin + lines.count > length) most = 1000000;
    }
  }
  CHECK(most <= 0);
}

}  // namespace selfsight::kernels
