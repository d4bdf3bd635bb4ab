#include "data/loader.h"

#include "core/error.h"
#include "core/progress.h"
#include "core/threads.h"
#include "data/view_maker.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
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
  State(ViewMaker view_maker, const LoaderOptions& loader_options) : maker(std::move(view_maker)), options(loader_options) {}

  ViewMaker maker;
  LoaderOptions options;
  std::int64_t grain = 1;
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
  std::shared_ptr<Making> open_batch();
  void make(Making& making, std::int64_t place, ViewMaker::Scratch& scratch);
  void count_bad(const Batch& batch, const std::map<std::int64_t, BadItem>& at_places, const std::vector<BadItem>& replaced);
  void note(Making& making, BadItem item);
  static std::vector<std::pair<std::int64_t, std::int64_t>> repeat_good_places(Batch& batch, const std::map<std::int64_t, BadItem>& bad);
};

Loader::Loader(std::vector<std::shared_ptr<const Source>> sources, std::vector<ViewSpec> views, std::uint64_t seed,
               const LoaderOptions& options, HandsOver hands_over)
    : state_(std::make_unique<State>(ViewMaker(std::move(sources), std::move(views), seed, std::move(hands_over)), options)) {
  State& s = *state_;
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
      if (draw.source < 0 || static_cast<std::size_t>(draw.source) >= s.maker.sources())
        fail(Exit::internal, "the plan names source {} of {}", draw.source, s.maker.sources());
      const std::int64_t size = s.maker.source(draw.source).size();
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
      const std::size_t owner = view.picture[at] / s.maker.pictures_a_place();
      const bool mate = view.picture[at] % s.maker.pictures_a_place() == 1;
      const std::int64_t sample = mate ? batch->mates[owner] : batch->samples[owner];
      const std::string name = s.maker.source(batch->sources[owner]).name(sample);
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
  if (static_cast<double>(count) > options.max_bad * static_cast<double>(maker.items())) {
    fail(Exit::bad_data, "{} of {} items are bad, more than the share of {} that --max-bad accepts; one of them: {}", count, maker.items(),
         options.max_bad, bad.begin()->second.reason);
  }
  if (static_cast<std::int64_t>(at_places.size()) == batch.size()) {
    fail(Exit::bad_data, "batch {} of epoch {} has no good item; the first: {}", batch.index, batch.epoch,
         at_places.begin()->second.reason);
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
    maker.lay_out(*making->batch, count);
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
  ViewMaker::Scratch scratch(maker);
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

void Loader::State::note(Making& making, BadItem item) {
  const std::lock_guard lock(mutex);
  making.replaced.push_back(std::move(item));
}

// Makes one place of a batch, with the policy for bad items.
void Loader::State::make(Making& making, std::int64_t place, ViewMaker::Scratch& scratch) {
  const Draw draw = (*making.plan)[static_cast<std::size_t>(place)];
  constexpr std::uint64_t attempts = 64;
  try {
    std::int64_t sample = draw.sample, mate = draw.mate;
    for (std::uint64_t attempt = 0;; ++attempt) {
      try {
        maker.make(*making.batch, static_cast<std::size_t>(place), draw, sample, mate, scratch);
        return;
      } catch (Unusable& unusable) {
        if (options.on_bad != "replace" || attempt == attempts) {
          const std::lock_guard lock(mutex);
          making.bad.emplace(place, std::move(unusable.item));
          return;
        }
        if (unusable.item.sample == sample) {
          core::Rng rng(maker.seed(), core::Stream::replace, static_cast<std::uint64_t>(draw.sample), attempt,
                        static_cast<std::uint64_t>(draw.source));
          sample = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(maker.source(draw.source).size())));
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
