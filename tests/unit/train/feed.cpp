// The two halves of the data path give a run the same tensors.
#include "train/feed.h"

#include "data/source.h"
#include "unit/support.h"

using namespace selfsight;

namespace {

/// Files in memory; `name` of the i-th is "#i".
class Files final : public data::Source {
 public:
  explicit Files(std::vector<std::vector<std::byte>> files) : files_(std::move(files)) {}
  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(files_.size()); }
  [[nodiscard]] std::int64_t label(std::int64_t index) const override { return index % 4; }
  [[nodiscard]] std::string name(std::int64_t index) const override { return fmt::format("#{}", index); }
  [[nodiscard]] data::Stored read(std::int64_t index) const override {
    data::Stored stored;
    stored.bytes = files_[static_cast<std::size_t>(index)];
    return stored;
  }

 private:
  std::vector<std::vector<std::byte>> files_;
};

/// JPEGs, with a PNG among them. Views of 24 pixels are no half of their crops, so that the host decodes at full size too.
std::vector<std::vector<std::byte>> pictures(std::int64_t count) {
  std::vector<std::vector<std::byte>> out;
  for (std::int64_t i = 0; i < count; ++i) {
    data::Image image(30 + i, 44 - i, 3);
    for (std::size_t p = 0; p < image.pixels.size(); ++p)
      image.pixels[p] = static_cast<std::uint8_t>((p * static_cast<std::size_t>(3 + i) / 7) % 256);
    out.push_back(i % 5 == 4 ? data::encode_png(image) : data::encode_jpeg(image, 90));
  }
  return out;
}

/// Still begins and ends as a JPEG does, so that only its decoder finds out.
std::vector<std::byte> damaged(std::vector<std::byte> jpeg) {
  for (std::size_t i = 0; i + 1 < jpeg.size(); ++i)
    if (jpeg[i] == std::byte{0xFF} && jpeg[i + 1] == std::byte{0xC4}) jpeg[i + 5] = std::byte{0xFF};  // code lengths of its first table
  return jpeg;
}

const std::vector<data::ViewSpec> specs = {{data::simclr_recipe(24), false}, {data::byol_recipes(24)[1], true}};

train::Feed feed_of(const std::shared_ptr<const data::Source>& source, bool on_device, std::int64_t workers, const std::string& on_bad) {
  train::FeedOptions options;
  options.seed = 5;
  options.normalisation = train::usual_normalisation(3);
  options.loader.workers = workers;
  options.loader.on_bad = on_bad;
  options.loader.max_bad = 0.5;
  options.on_device = on_device;
  return {source, specs, options};
}

data::EpochPlan plan_with_mates(std::int64_t samples, std::int64_t batch) {
  auto plan = data::shuffled_plan(samples, batch, 3, 1, /*drop_last=*/true);
  for (auto& one : plan)
    for (auto& draw : one) draw.mate = draw.sample % 3 == 0 ? -1 : (draw.sample + 1) % samples;
  return plan;
}

void check_same(const std::shared_ptr<const data::Source>& source, const std::string& on_bad, std::size_t bad_pictures,
                std::int64_t first = 0) {
  auto host = feed_of(source, false, 1, on_bad), device = feed_of(source, true, 2, on_bad);
  const auto plan = plan_with_mates(source->size(), 6);
  host.start(plan, 1, first);
  device.start(plan, 1, first);
  std::int64_t batches = 0;
  while (const auto expected = host.next()) {
    const auto seen = device.next();
    device.look_ahead();
    REQUIRE(seen.has_value());
    CHECK(seen->batch->samples == expected->batch->samples);
    CHECK(seen->batch->labels == expected->batch->labels);
    CHECK(seen->batch->mates == expected->batch->mates);
    REQUIRE(seen->x.size() == 2);
    for (std::size_t v = 0; v < 2; ++v) {
      CAPTURE(v);
      CHECK(torch::equal(seen->x[v], expected->x[v]));
      CHECK(seen->x[v].is_contiguous(torch::MemoryFormat::ChannelsLast));
      for (std::size_t place = 0; place < 6; ++place)
        CHECK(seen->batch->views[v].geometry[place].box.width == expected->batch->views[v].geometry[place].box.width);
    }
    ++batches;
  }
  CHECK_FALSE(device.next().has_value());
  CHECK(batches == source->size() / 6 - first);
  const auto bad = host.loader().bad_items(), seen = device.loader().bad_items();
  CHECK(bad.size() == bad_pictures);
  REQUIRE(bad.size() == seen.size());
  for (std::size_t i = 0; i < bad.size(); ++i) CHECK(bad[i].sample == seen[i].sample);
}

}  // namespace

TEST_CASE("views made by the device half are the host's, mates and all") {
  check_same(std::make_shared<Files>(pictures(26)), "fail", 0, 1);
}

TEST_CASE("a picture that only its decoder finds to be bad is passed over by both halves alike") {
  auto files = pictures(24);
  files[7] = damaged(files[7]);
  files[12] = {};
  const auto source = std::make_shared<Files>(files);
  CHECK(kernels::suits_device(source->read(7), 3));
  check_same(source, "skip", 2);
  auto device = feed_of(source, true, 1, "fail");
  device.start(data::shuffled_plan(24, 24, 3, 1, /*drop_last=*/true), 1, 0);
  CHECK_FALSE(test::error_of(core::Exit::bad_data, [&] { device.next(); }).empty());
}
