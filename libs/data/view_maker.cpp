#include "data/view_maker.h"

#include "core/progress.h"
#include "data/clip_views.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace selfsight::data {

using core::Exit;
using core::fail;

namespace {

/// Adds the seconds since its last call to a stage.
class Laps {
 public:
  void operator()(double& stage) {
    const double before = std::exchange(now_, core::monotonic_seconds());
    stage += now_ - before;
  }

 private:
  double now_ = core::monotonic_seconds();
};

// Throws what an error says of a sample; one that is none of the sample's goes on.
[[noreturn]] void refuse_sample(const Source& from, std::int64_t sample, std::int32_t index, const core::Error& error) {
  if (!is_of_sample(error)) throw error;
  const std::string name = from.name(sample), what = error.what();
  throw Unusable{{sample, index, name, what.starts_with(": ") ? name + what : what}};
}

}  // namespace

bool is_of_sample(const core::Error& error) {
  return error.exit() == Exit::bad_data || error.exit() == Exit::no_input || error.exit() == Exit::io;
}

ViewMaker::ViewMaker(std::vector<std::shared_ptr<const Source>> sources, std::vector<ViewSpec> views, std::uint64_t seed,
                     Loader::HandsOver hands_over)
    : sources_(std::move(sources)), views_(std::move(views)), seed_(seed), hands_over_(std::move(hands_over)) {
  if (std::any_of(views_.begin(), views_.end(), [](const ViewSpec& view) { return view.of_mate; })) pictures_a_place_ = 2;
  if (sources_.empty() || views_.empty()) fail(Exit::internal, "a loader needs a source and a view");
  for (const ViewSpec& view : views_) view.recipe.check();
  for (const auto& source : sources_) {
    channels_ = std::max(channels_, source->channels());
    items_ += source->size();
    if (hands_over_ && source->has_videos())
      fail(Exit::usage, "--augment device: the data set holds videos, whose views are made on the host; give --augment host");
    for (const ViewSpec& view : views_)
      if (view.clip.frames > 1 && !source->has_videos())
        fail(Exit::bad_data, "views of {} frames need videos, and the data set holds still images", view.clip.frames);
  }
}

void ViewMaker::lay_out(Batch& batch, std::int64_t count) const {
  batch.views.resize(views_.size());
  const auto places = static_cast<std::size_t>(count);
  batch.samples.resize(places);
  batch.mates.resize(places);
  batch.labels.resize(places);
  batch.sources.resize(places);
  if (hands_over_) {
    batch.pictures.clear();  // those of an earlier batch
    batch.pictures.resize(places * pictures_a_place_);
  }
  for (std::size_t v = 0; v < views_.size(); ++v) {
    ViewBatch& view = batch.views[v];
    view.count = count;
    view.height = view.width = views_[v].recipe.size;
    view.channels = channels_;
    view.frames = views_[v].clip.frames;
    if (hands_over_) {
      view.drawn.resize(places);
      view.picture.resize(places);
    } else {
      view.pixels.resize(places * view.sample_bytes());
    }
    view.shown.assign(places * static_cast<std::size_t>(view.frames), 0);
    view.geometry.resize(places);
  }
}

// The anchor's number stands for a mate's view too: the view's own number tells the two apart.
core::Rng ViewMaker::rng_of(core::Stream use, const Batch& batch, const Draw& keys, std::size_t view) const {
  return core::Rng(seed_, use, static_cast<std::uint64_t>(batch.epoch), static_cast<std::uint64_t>(keys.sample),
                   view | static_cast<std::uint64_t>(keys.source) << 16 | static_cast<std::uint64_t>(keys.repeat) << 32);
}

// The views of one video, see clip_views.h.
void ViewMaker::make_clips(std::int64_t sample, const std::vector<std::size_t>& shown, const Draw& keys, std::size_t place, Batch& batch,
                           Scratch& scratch) const {
  const Source& from = source(keys.source);
  try {
    const double begin = core::monotonic_seconds();
    const std::unique_ptr<Video> video = from.video(sample);
    scratch.times.read += core::monotonic_seconds() - begin;
    const auto rng = [&](core::Stream use, std::size_t v) { return rng_of(use, batch, keys, v); };
    make_clip_views(*video, views_, shown, keys.repeat, rng, batch, place, scratch.times);
  } catch (const core::Error& error) {
    refuse_sample(from, sample, keys.source, error);
  }
}

// Decodes what the views of one picture need, and makes those views.
void ViewMaker::make_views_of(std::int64_t sample, const std::vector<std::size_t>& shown, const Draw& keys, std::size_t place, Batch& batch,
                              Scratch& scratch) const {
  const Source& from = source(keys.source);
  if (from.has_videos()) return make_clips(sample, shown, keys, place, batch, scratch);
  if (hands_over_) return hand_over(sample, shown, keys, place, batch, scratch);
  LoaderTimes& spent = scratch.times;
  Laps lap;
  const auto draw_for = [&](std::size_t v, const Size& size) {
    core::Rng rng = rng_of(core::Stream::view, batch, keys, v);
    scratch.drawn[v] = draw(views_[v].recipe, size.height, size.width, rng);
  };
  Part part;
  try {
    const Stored stored = from.read(sample);
    lap(spent.read);
    // Where the size is known beforehand, so are the crops, and what none of them shows need not be decoded.
    if (const std::optional<Size> size = size_before_decoding(stored)) {
      for (const std::size_t v : shown) {
        draw_for(v, *size);
        const Part more = needed(views_[v].recipe, scratch.drawn[v]);
        part = v == shown.front() ? more : together(part, more);
      }
      // The name is made only for a message: most sources have to build it.
      part = decode_part(stored, channels_, {}, part, scratch.image);
    } else {
      decode_into(stored, channels_, {}, scratch.image);
      part = {{0, 0, scratch.image.width, scratch.image.height}};
      for (const std::size_t v : shown) draw_for(v, {scratch.image.height, scratch.image.width});
    }
    lap(spent.decode);
    ++spent.images;
  } catch (const core::Error& error) {
    refuse_sample(from, sample, keys.source, error);
  }
  for (const std::size_t v : shown) {
    ViewBatch& view = batch.views[v];
    apply(scratch.image, part, views_[v].recipe, scratch.drawn[v],
          {view.height, view.width, view.channels, view.pixels.data() + place * view.sample_bytes()});
    view.geometry[place] = scratch.drawn[v].geometry;
    ++spent.views;
  }
  lap(spent.augment);
}

// Leaves the views of one picture to others: what is drawn for each, and the picture, decoded where they cannot do that.
void ViewMaker::hand_over(std::int64_t sample, const std::vector<std::size_t>& shown, const Draw& keys, std::size_t place, Batch& batch,
                          Scratch& scratch) const {
  const Source& from = source(keys.source);
  const std::size_t picture = place * pictures_a_place_ + (views_[shown.front()].of_mate && batch.mates[place] >= 0 ? 1 : 0);
  Stored& kept = batch.pictures[picture];
  std::optional<Size> size;
  try {
    Laps lap;
    kept = from.read(sample);
    lap(scratch.times.read);
    if (hands_over_(kept)) size = size_before_decoding(kept);
    if (!size) {
      decode_into(kept, channels_, {}, scratch.image);
      size = {scratch.image.height, scratch.image.width};
      kept = {.owned = std::vector<std::byte>(scratch.image.pixels.size()),
              .height = size->height,
              .width = size->width,
              .channels = channels_};
      std::memcpy(kept.owned.data(), scratch.image.pixels.data(), kept.owned.size());
      kept.bytes = kept.owned;
    }
    lap(scratch.times.decode);
    ++scratch.times.images;
  } catch (const core::Error& error) {
    refuse_sample(from, sample, keys.source, error);
  }
  for (const std::size_t v : shown) {
    core::Rng rng = rng_of(core::Stream::view, batch, keys, v);
    ViewBatch& view = batch.views[v];
    view.drawn[place] = draw(views_[v].recipe, size->height, size->width, rng);
    view.geometry[place] = view.drawn[place].geometry;
    view.picture[place] = picture;
    ++scratch.times.views;
  }
}

void ViewMaker::make(Batch& batch, std::size_t place, const Draw& keys, std::int64_t sample, std::int64_t mate, Scratch& scratch) const {
  batch.samples[place] = sample;
  batch.mates[place] = mate;
  batch.sources[place] = keys.source;
  batch.labels[place] = source(keys.source).label(sample);
  std::vector<std::size_t> of_sample, of_mate;
  for (std::size_t v = 0; v < views_.size(); ++v) (views_[v].of_mate && mate >= 0 ? of_mate : of_sample).push_back(v);
  if (!of_sample.empty()) make_views_of(sample, of_sample, keys, place, batch, scratch);
  if (!of_mate.empty()) make_views_of(mate, of_mate, keys, place, batch, scratch);
}

}  // namespace selfsight::data
