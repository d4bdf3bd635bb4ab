#include "data/loader.h"

#include "core/error.h"
#include "core/progress.h"
#include "core/registry.h"
#include "core/threads.h"
#include "data/clip_views.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

namespace selfsight::data {
namespace {

using core::Exit;
using core::fail;

/// Batches that nobody holds, for the next use of their buffers. Outlives the loader while a batch is held.
class Ring {
 public:
  explicit Ring(std::size_t most) : most_(most) {}
  std::unique_ptr<Batch> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<Batch>();
    std::unique_ptr<Batch> batch = std::move(free_.back());
    free_.pop_back();
    return batch;
  }
  void give(std::unique_ptr<Batch> batch) {
    const std::lock_guard lock(mutex_);
    if (free_.size() < most_) free_.push_back(std::move(batch));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Batch>> free_;
  std::size_t most_;
};

std::shared_ptr<Batch> lend(const std::shared_ptr<Ring>& ring) {
  return {ring->take().release(), [ring](Batch* batch) { ring->give(std::unique_ptr<Batch>(batch)); }};
}

/// A batch that is being made. Workers write to disjoint places of it; the counts are guarded by the loader's mutex.
struct Making {
  std::shared_ptr<Batch> batch;
  const BatchPlan* plan = nullptr;
  std::int64_t left = 0;                ///< places not yet made
  std::map<std::int64_t, BadItem> bad;  ///< by place; guarded
  std::vector<BadItem> replaced;        ///< bad items whose place was filled after all; guarded
  std::exception_ptr error;             ///< anything but a bad item, of the lowest place; guarded
  std::int64_t error_place = 0;
};

/// A plan under way, kept alive by the workers that read it.
struct Epoch {
  EpochPlan plan;
  std::int64_t number = 0;
};

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

/// What a thread uses again for every sample.
struct Scratch {
  Image image;
  std::vector<Drawn> drawn;  ///< of each view
  LoaderTimes times;
};

/// An image of an item that cannot be used.
struct Unusable {
  BadItem item;
};

// Throws what an error says of a sample; one that is none of the sample's goes on.
[[noreturn]] void refuse_sample(const Source& from, std::int64_t sample, std::int32_t index, const core::Error& error) {
  if (error.exit() != Exit::bad_data && error.exit() != Exit::no_input && error.exit() != Exit::io) throw error;
  const std::string name = from.name(sample), what = error.what();
  throw Unusable{{sample, index, name, what.starts_with(": ") ? name + what : what}};
}

}  // namespace

void LoaderOptions::describe(core::Options& options) {
  options.add("workers", &workers, "threads that load images; 0: one per processor").range(0, 1024).runtime();
  options.add("prefetch", &prefetch, "batches made ahead").range(1, 1024).runtime();
  options.add("on-bad", &on_bad, "what to do with an image that cannot be decoded").choices({"fail", "skip", "replace"});
  options.add("max-bad", &max_bad, "share of bad images that is still accepted").range(0, 1).only_with("on-bad", {"skip", "replace"});
}

LoaderTimes LoaderTimes::since(const LoaderTimes& before) const {
  return {wait - before.wait,       read - before.read,     decode - before.decode,
          augment - before.augment, images - before.images, views - before.views};
}

struct Loader::State {
  std::vector<std::shared_ptr<const Source>> sources;
  std::vector<ViewSpec> views;
  std::uint64_t seed = 0;
  LoaderOptions options;
  HandsOver hands_over;
  std::size_t pictures_a_place = 1;  ///< of a loader that hands over: a sample's, and its mate's where a view shows it
  std::int64_t channels = 1, items = 0, grain = 1;
  std::shared_ptr<Ring> ring;

  mutable std::mutex mutex;
  std::condition_variable work, ready;
  std::shared_ptr<const Epoch> epoch;
  std::deque<std::shared_ptr<Making>> window;  ///< batches [delivered, opened)
  std::int64_t opened = 0, delivered = 0;      ///< batches of the epoch
  std::int64_t next_place = 0;                 ///< in the last opened batch: the first place no worker has taken
  std::map<std::pair<std::int32_t, std::int64_t>, BadItem> bad;
  LoaderTimes times;
  bool stopping = false;
  std::vector<std::thread> threads;

  void run();
  void lay_out(Batch& batch, std::int64_t count) const;
  std::shared_ptr<Making> open_batch();
  void make(Making& making, std::int64_t place, Scratch& scratch);
  void make_views(Making& making, std::int64_t place, const Draw& keys, std::int64_t sample, std::int64_t mate, Scratch& scratch);
  [[nodiscard]] core::Rng rng_of(core::Stream use, const Batch& batch, const Draw& keys, std::size_t view) const;
  void make_clips(std::int64_t sample, const std::vector<std::size_t>& shown, const Draw& keys, std::size_t place, Batch& batch,
                  Scratch& scratch) const;
  void make_views_of(std::int64_t sample, const std::vector<std::size_t>& shown, const Draw& keys, std::size_t place, Batch& batch,
                     Scratch& scratch) const;
  void hand_over(std::int64_t sample, const std::vector<std::size_t>& shown, const Draw& keys, std::size_t place, Batch& batch,
                 Scratch& scratch) const;
  void count_bad(const Batch& batch, const std::map<std::int64_t, BadItem>& at_places, const std::vector<BadItem>& replaced);
  void note(Making& making, BadItem item);
  static std::vector<std::pair<std::int64_t, std::int64_t>> repeat_good_places(Batch& batch, const std::map<std::int64_t, BadItem>& bad);
  [[nodiscard]] const Source& source(std::int32_t index) const { return *sources[static_cast<std::size_t>(index)]; }
};

Loader::Loader(std::vector<std::shared_ptr<const Source>> sources, std::vector<ViewSpec> views, std::uint64_t seed,
               const LoaderOptions& options, HandsOver hands_over)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.sources = std::move(sources);
  s.views = std::move(views);
  s.seed = seed;
  s.options = options;
  s.hands_over = std::move(hands_over);
  if (std::any_of(s.views.begin(), s.views.end(), [](const ViewSpec& view) { return view.of_mate; })) s.pictures_a_place = 2;
  if (s.sources.empty() || s.views.empty()) fail(Exit::internal, "a loader needs a source and a view");
  for (const ViewSpec& view : s.views) view.recipe.check();
  for (const auto& source : s.sources) {
    s.channels = std::max(s.channels, source->channels());
    s.items += source->size();
    if (s.hands_over && source->has_videos())
      fail(Exit::usage, "--augment device: the data set holds videos, whose views are made on the host; give --augment host");
    for (const ViewSpec& view : s.views)
      if (view.clip.frames > 1 && !source->has_videos())
        fail(Exit::bad_data, "views of {} frames need videos, and the data set holds still images", view.clip.frames);
  }
  s.ring = std::make_shared<Ring>(static_cast<std::size_t>(options.prefetch) + 1);
  const std::int64_t workers = options.workers > 0 ? options.workers : core::default_threads();
  try {
    for (std::int64_t i = 0; i < workers; ++i) s.threads.emplace_back([&s] { s.run(); });
  } catch (...) {
    if (s.threads.empty()) throw;  // fewer threads than asked for do the same work
  }
}

Loader::~Loader() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->work.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

void Loader::start(EpochPlan plan, std::int64_t epoch, std::int64_t first) {
  State& s = *state_;
  for (const BatchPlan& batch : plan) {
    for (const Draw& draw : batch) {
      if (draw.source < 0 || static_cast<std::size_t>(draw.source) >= s.sources.size())
        fail(Exit::internal, "the plan names source {} of {}", draw.source, s.sources.size());
      const std::int64_t size = s.source(draw.source).size();
      if (draw.sample < 0 || draw.sample >= size || draw.mate >= size)
        fail(Exit::internal, "the plan names sample {} (mate {}) of {}", draw.sample, draw.mate, size);
    }
  }
  auto next = std::make_shared<Epoch>(Epoch{std::move(plan), epoch});
  {
    const std::lock_guard lock(s.mutex);
    s.window.clear();
    s.delivered = s.opened = std::clamp<std::int64_t>(first, 0, static_cast<std::int64_t>(next->plan.size()));
    s.next_place = 0;
    const std::int64_t batch = next->plan.empty() ? 1 : static_cast<std::int64_t>(next->plan.front().size());
    // Small enough that all threads share a batch, large enough that taking work costs nothing beside it.
    s.grain = std::clamp<std::int64_t>(batch / (4 * static_cast<std::int64_t>(s.threads.size())), 1, 32);
    s.epoch = std::move(next);
  }
  s.work.notify_all();
}

std::shared_ptr<const Batch> Loader::next() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  if (!s.epoch) fail(Exit::internal, "a loader gives batches only after start()");
  if (s.delivered == static_cast<std::int64_t>(s.epoch->plan.size())) return nullptr;
  const double begin = core::monotonic_seconds();
  s.ready.wait(lock, [&] { return !s.window.empty() && s.window.front()->left == 0; });
  s.times.wait += core::monotonic_seconds() - begin;
  const std::shared_ptr<Making> made = std::move(s.window.front());
  s.window.pop_front();
  ++s.delivered;
  s.work.notify_all();
  if (made->error) std::rethrow_exception(made->error);
  s.count_bad(*made->batch, made->bad, made->replaced);
  return made->batch;
}

bool Loader::ready() const {
  const std::lock_guard lock(state_->mutex);
  if (state_->epoch && state_->delivered == static_cast<std::int64_t>(state_->epoch->plan.size())) return true;
  return !state_->window.empty() && state_->window.front()->left == 0;
}

Repaired Loader::without(const std::shared_ptr<const Batch>& batch, const std::vector<std::pair<std::size_t, std::string>>& unusable) {
  State& s = *state_;
  std::map<std::size_t, const std::string*> reasons;
  for (const auto& [picture, reason] : unusable) reasons.emplace(picture, &reason);
  std::map<std::int64_t, BadItem> bad;
  for (std::int64_t place = 0; place < batch->size(); ++place) {
    const auto at = static_cast<std::size_t>(place);
    for (const ViewBatch& view : batch->views) {
      const auto found = reasons.find(view.picture[at]);
      if (found == reasons.end()) continue;
      // A place may show another's picture, since it repeats it.
      const std::size_t owner = view.picture[at] / s.pictures_a_place;
      const bool mate = view.picture[at] % s.pictures_a_place == 1;
      const std::int64_t sample = mate ? batch->mates[owner] : batch->samples[owner];
      const std::string name = s.source(batch->sources[owner]).name(sample);
      bad.try_emplace(place, BadItem{sample, batch->sources[owner], name, name + *found->second});
    }
  }
  {
    const std::lock_guard lock(s.mutex);
    s.count_bad(*batch, bad, {});
  }
  auto repaired = std::make_shared<Batch>();
  repaired->epoch = batch->epoch;
  repaired->index = batch->index;
  repaired->samples = batch->samples;
  repaired->mates = batch->mates;
  repaired->labels = batch->labels;
  repaired->sources = batch->sources;
  repaired->views = batch->views;
  auto repeated = State::repeat_good_places(*repaired, bad);
  return {std::move(repaired), std::move(repeated)};
}

std::vector<BadItem> Loader::bad_items() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<BadItem> items;
  for (const auto& [key, item] : state_->bad) items.push_back(item);
  return items;
}

void Loader::add_bad_items(const std::vector<BadItem>& items) {
  const std::lock_guard lock(state_->mutex);
  for (const BadItem& item : items) state_->bad.try_emplace({item.source, item.sample}, item);
}

LoaderTimes Loader::times() const {
  const std::lock_guard lock(state_->mutex);
  return state_->times;
}

// Counts the bad items of a batch as it is delivered and not where they are found, so that the batch that breaks the limit does not depend
// on the workers. Throws when the policy says so. Called with the mutex held.
void Loader::State::count_bad(const Batch& batch, const std::map<std::int64_t, BadItem>& at_places, const std::vector<BadItem>& replaced) {
  for (const BadItem& item : replaced) bad.try_emplace({item.source, item.sample}, item);
  for (const auto& [place, item] : at_places) bad.try_emplace({item.source, item.sample}, item);
  if (options.on_bad == "fail" && !at_places.empty()) {
    fail(Exit::bad_data, "{} (--on-bad skip goes on without it; ssl-data check lists all such items)", at_places.begin()->second.reason);
  }
  const auto count = static_cast<std::int64_t>(bad.size());
  if (static_cast<double>(count) > options.max_bad * static_cast<double>(items)) {
    fail(Exit::bad_data, "{} of {} items are bad, more than the share of {} that --max-bad accepts; one of them: {}", count, items,
         options.max_bad, bad.begin()->second.reason);
  }
  if (static_cast<std::int64_t>(at_places.size()) == batch.size()) {
    fail(Exit::bad_data, "batch {} of epoch {} has no good item; the first: {}", batch.index, batch.epoch,
         at_places.begin()->second.reason);
  }
}

// Gives the batch its shape.
void Loader::State::lay_out(Batch& batch, std::int64_t count) const {
  batch.views.resize(views.size());
  const auto places = static_cast<std::size_t>(count);
  batch.samples.resize(places);
  batch.mates.resize(places);
  batch.labels.resize(places);
  batch.sources.resize(places);
  if (hands_over) {
    batch.pictures.clear();  // those of an earlier batch
    batch.pictures.resize(places * pictures_a_place);
  }
  for (std::size_t v = 0; v < views.size(); ++v) {
    ViewBatch& view = batch.views[v];
    view.count = count;
    view.height = view.width = views[v].recipe.size;
    view.channels = channels;
    view.frames = views[v].clip.frames;
    if (hands_over) {
      view.drawn.resize(places);
      view.picture.resize(places);
    } else {
      view.pixels.resize(places * view.sample_bytes());
    }
    view.shown.assign(places * static_cast<std::size_t>(view.frames), 0);
    view.geometry.resize(places);
  }
}

// Called with the mutex held.
std::shared_ptr<Making> Loader::State::open_batch() {
  auto making = std::make_shared<Making>();
  making->plan = &epoch->plan[static_cast<std::size_t>(opened)];
  const auto count = static_cast<std::int64_t>(making->plan->size());
  making->left = count;
  next_place = 0;
  try {
    making->batch = lend(ring);
    making->batch->epoch = epoch->number;
    making->batch->index = opened;
    lay_out(*making->batch, count);
  } catch (...) {  // no memory for it: for the consumer to know, there is nothing to make
    making->error = std::current_exception();
    making->left = 0;
    next_place = count;
  }
  ++opened;
  window.push_back(making);
  return making;
}

void Loader::State::run() {
  Scratch scratch;
  scratch.drawn.resize(views.size());
  std::unique_lock lock(mutex);
  for (;;) {
    std::shared_ptr<Making> making;
    work.wait(lock, [&] {
      if (stopping) return true;
      if (!epoch) return false;
      if (!window.empty() && next_place < static_cast<std::int64_t>(window.back()->plan->size())) return true;
      return opened < static_cast<std::int64_t>(epoch->plan.size()) && opened < delivered + options.prefetch;
    });
    if (stopping) return;
    const std::shared_ptr<const Epoch> current = epoch;
    if (!window.empty() && next_place < static_cast<std::int64_t>(window.back()->plan->size())) {
      making = window.back();
    } else {
      making = open_batch();
    }
    const std::int64_t begin = next_place;
    const std::int64_t end = std::min(begin + grain, static_cast<std::int64_t>(making->plan->size()));
    next_place = end;
    lock.unlock();
    scratch.times = {};
    for (std::int64_t place = begin; place < end; ++place) make(*making, place, scratch);
    lock.lock();
    times.read += scratch.times.read;
    times.decode += scratch.times.decode;
    times.augment += scratch.times.augment;
    times.images += scratch.times.images;
    times.views += scratch.times.views;
    making->left -= end - begin;
    if (making->left == 0) {
      if (!making->bad.empty()) repeat_good_places(*making->batch, making->bad);
      ready.notify_all();
    }
  }
}

// The anchor's number stands for a mate's view too: the view's own number tells the two apart.
core::Rng Loader::State::rng_of(core::Stream use, const Batch& batch, const Draw& keys, std::size_t view) const {
  return core::Rng(seed, use, static_cast<std::uint64_t>(batch.epoch), static_cast<std::uint64_t>(keys.sample),
                   view | static_cast<std::uint64_t>(keys.source) << 16 | static_cast<std::uint64_t>(keys.repeat) << 32);
}

// The views of one video, see clip_views.h.
void Loader::State::make_clips(std::int64_t sample, const std::vector<std::size_t>& shown, const Draw& keys, std::size_t place,
                               Batch& batch, Scratch& scratch) const {
  const Source& from = source(keys.source);
  try {
    const double begin = core::monotonic_seconds();
    const std::unique_ptr<Video> video = from.video(sample);
    scratch.times.read += core::monotonic_seconds() - begin;
    const auto rng = [&](core::Stream use, std::size_t v) { return rng_of(use, batch, keys, v); };
    make_clip_views(*video, views, shown, keys.repeat, rng, batch, place, scratch.times);
  } catch (const core::Error& error) {
    refuse_sample(from, sample, keys.source, error);
  }
}

// Decodes what the views of one picture need, and makes those views.
void Loader::State::make_views_of(std::int64_t sample, const std::vector<std::size_t>& shown, const Draw& keys, std::size_t place,
                                  Batch& batch, Scratch& scratch) const {
  const Source& from = source(keys.source);
  if (from.has_videos()) return make_clips(sample, shown, keys, place, batch, scratch);
  if (hands_over) return hand_over(sample, shown, keys, place, batch, scratch);
  LoaderTimes& spent = scratch.times;
  Laps lap;
  const auto draw_for = [&](std::size_t v, const Size& size) {
    core::Rng rng = rng_of(core::Stream::view, batch, keys, v);
    scratch.drawn[v] = draw(views[v].recipe, size.height, size.width, rng);
  };
  Part part;
  try {
    const Stored stored = from.read(sample);
    lap(spent.read);
    // Where the size is known beforehand, so are the crops, and what none of them shows need not be decoded.
    if (const std::optional<Size> size = size_before_decoding(stored)) {
      for (const std::size_t v : shown) {
        draw_for(v, *size);
        const Part more = needed(views[v].recipe, scratch.drawn[v]);
        part = v == shown.front() ? more : together(part, more);
      }
      // The name is made only for a message: most sources have to build it.
      part = decode_part(stored, channels, {}, part, scratch.image);
    } else {
      decode_into(stored, channels, {}, scratch.image);
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
    apply(scratch.image, part, views[v].recipe, scratch.drawn[v],
          {view.height, view.width, view.channels, view.pixels.data() + place * view.sample_bytes()});
    view.geometry[place] = scratch.drawn[v].geometry;
    ++spent.views;
  }
  lap(spent.augment);
}

// Leaves the views of one picture to others: what is drawn for each, and the picture, decoded where they cannot do that.
void Loader::State::hand_over(std::int64_t sample, const std::vector<std::size_t>& shown, const Draw& keys, std::size_t place, Batch& batch,
                              Scratch& scratch) const {
  const Source& from = source(keys.source);
  const std::size_t picture = place * pictures_a_place + (views[shown.front()].of_mate && batch.mates[place] >= 0 ? 1 : 0);
  Stored& kept = batch.pictures[picture];
  std::optional<Size> size;
  try {
    Laps lap;
    kept = from.read(sample);
    lap(scratch.times.read);
    if (hands_over(kept)) size = size_before_decoding(kept);
    if (!size) {
      decode_into(kept, channels, {}, scratch.image);
      size = {scratch.image.height, scratch.image.width};
      kept = {
          .owned = std::vector<std::byte>(scratch.image.pixels.size()), .height = size->height, .width = size->width, .channels = channels};
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
    view.drawn[place] = draw(views[v].recipe, size->height, size->width, rng);
    view.geometry[place] = view.drawn[place].geometry;
    view.picture[place] = picture;
    ++scratch.times.views;
  }
}

void Loader::State::note(Making& making, BadItem item) {
  const std::lock_guard lock(mutex);
  making.replaced.push_back(std::move(item));
}

// Makes one place of a batch, with the policy for bad items.
void Loader::State::make(Making& making, std::int64_t place, Scratch& scratch) {
  const Draw draw = (*making.plan)[static_cast<std::size_t>(place)];
  constexpr std::uint64_t attempts = 64;
  std::optional<BadItem> first;
  try {
    std::int64_t sample = draw.sample, mate = draw.mate;
    for (std::uint64_t attempt = 0;; ++attempt) {
      try {
        make_views(making, place, draw, sample, mate, scratch);
        return;
      } catch (Unusable& unusable) {
        if (options.on_bad != "replace" || attempt == attempts) {
          const std::lock_guard lock(mutex);
          making.bad.emplace(place, std::move(unusable.item));
          return;
        }
        if (unusable.item.sample == sample) {
          core::Rng rng(seed, core::Stream::replace, static_cast<std::uint64_t>(draw.sample), attempt,
                        static_cast<std::uint64_t>(draw.source));
          sample = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(source(draw.source).size())));
          if (mate == unusable.item.sample) mate = -1;
        } else {
          mate = -1;  // without its mate, a sample is its own
        }
        note(making, std::move(unusable.item));
      }
    }
  } catch (...) {
    const std::lock_guard lock(mutex);
    if (!making.error || place < making.error_place) {
      making.error = std::current_exception();
      making.error_place = place;
    }
  }
}

void Loader::State::make_views(Making& making, std::int64_t place, const Draw& keys, std::int64_t sample, std::int64_t mate,
                               Scratch& scratch) {
  Batch& batch = *making.batch;
  const auto at = static_cast<std::size_t>(place);
  batch.samples[at] = sample;
  batch.mates[at] = mate;
  batch.sources[at] = keys.source;
  batch.labels[at] = source(keys.source).label(sample);
  std::vector<std::size_t> of_sample, of_mate;
  for (std::size_t v = 0; v < views.size(); ++v) (views[v].of_mate && mate >= 0 ? of_mate : of_sample).push_back(v);
  if (!of_sample.empty()) make_views_of(sample, of_sample, keys, at, batch, scratch);
  if (!of_mate.empty()) make_views_of(mate, of_mate, keys, at, batch, scratch);
}

// "skip": a bad place shows the next good one of its batch, so that every batch keeps its size. Returns the two of each.
std::vector<std::pair<std::int64_t, std::int64_t>> Loader::State::repeat_good_places(Batch& batch,
                                                                                     const std::map<std::int64_t, BadItem>& bad) {
  std::vector<std::pair<std::int64_t, std::int64_t>> repeated;
  const std::int64_t count = batch.size();
  if (static_cast<std::int64_t>(bad.size()) == count) return repeated;
  for (const auto& [place, item] : bad) {
    std::int64_t good = place;
    while (bad.contains(good)) good = (good + 1) % count;
    repeated.emplace_back(place, good);
    const auto to = static_cast<std::size_t>(place), from = static_cast<std::size_t>(good);
    batch.samples[to] = batch.samples[from];
    batch.mates[to] = batch.mates[from];
    batch.labels[to] = batch.labels[from];
    batch.sources[to] = batch.sources[from];
    for (ViewBatch& view : batch.views) {
      const std::size_t bytes = view.sample_bytes(), frames = static_cast<std::size_t>(view.frames);
      if (!view.pixels.empty()) std::memcpy(view.pixels.data() + to * bytes, view.pixels.data() + from * bytes, bytes);
      std::copy_n(view.shown.begin() + static_cast<std::ptrdiff_t>(from * frames), frames,
                  view.shown.begin() + static_cast<std::ptrdiff_t>(to * frames));
      view.geometry[to] = view.geometry[from];
      if (!view.drawn.empty()) {
        view.drawn[to] = view.drawn[from];
        view.picture[to] = view.picture[from];
      }
    }
  }
  return repeated;
}

}  // namespace selfsight::data
