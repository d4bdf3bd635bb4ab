#include "dist/session.h"

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/threads.h"
#include "dist/communicator.h"
#include "dist/host.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>

namespace selfsight::dist {

namespace {

using StorePtr = c10::intrusive_ptr<c10d::Store>;
constexpr double never = std::numeric_limits<double>::infinity();
constexpr double to_end = 8;  // seconds for the last things of a process
using namespace std::chrono_literals;

std::chrono::milliseconds milliseconds(double seconds) { return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000)); }

std::string key(const char* what, int rank) { return fmt::format("{}/{}", what, rank); }

std::string text_at(c10d::Store& store, const std::string& name) {
  const auto bytes = store.get(name);
  return {bytes.begin(), bytes.end()};
}

void put(c10d::Store& store, const std::string& name, const std::string& text) {
  store.set(name, std::vector<std::uint8_t>(text.begin(), text.end()));
}

/// Whether an error that came out of a computation is the communication's.
bool is_lost_contact(const std::exception& error) {
  if (dynamic_cast<const LostContact*>(&error) != nullptr) return true;
  const std::string text = error.what();  // in a backward pass the Reducer waits, and Gloo's errors have no type of their own
  return text.find("gloo/") != std::string::npos || text.find("Gloo") != std::string::npos || text.find("NCCL") != std::string::npos;
}

/// Two warnings of the Reducer that are no news: that parameters without gradients are looked for (any method may have some), and that the
/// strides of 1 x 1 filters can be written in two ways.
class Warnings : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    if (warning.msg().find("find_unused_parameters") != std::string::npos || warning.msg().find("Grad strides") != std::string::npos)
      return;
    core::log_warning("{}", warning.msg());
  }
};

StorePtr open_store(const Launch& launch, bool server, double seconds) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(launch.port);
  options.isServer = server;
  options.waitWorkers = false;  // who is missing is found out below, by name
  options.timeout = milliseconds(seconds);
  return c10::make_intrusive<c10d::PrefixStore>("selfsight/" + launch.attempt,
                                                c10::make_intrusive<c10d::TCPStore>(launch.address, options));
}

}  // namespace

void SessionOptions::describe(core::Options& o) {
  o.group("Several processes");
  o.add("meeting-time", &meeting, "seconds that the processes of one run (srun, mpirun, torchrun) wait for each other at its start")
      .range(1, 1e6)
      .runtime();
  o.add("silence-time", &silence, "seconds after which a process that is not heard of is gone, and the others end with its name")
      .range(2, 1e6)
      .runtime();
}

/// Everything that goes through the store: the meeting, the signs of life, the verdict, the parting.
class Session::Watch {
 public:
  Watch(const Launch& launch, const SessionOptions& options);
  ~Watch();

  [[nodiscard]] const StorePtr& store() const { return store_; }
  /// This host's address as the others reach it; "" when that is not known.
  [[nodiscard]] std::string address() const;
  /// Ranks that may use the same processors as this one, itself included.
  [[nodiscard]] int sharers() const;
  void begin();
  /// Ends this rank by `error`, and with it the others, which are told why.
  void end(const std::string& error, core::Exit exit);
  /// Which rank is at fault, as soon as it is known; none when nobody finds out.
  std::optional<std::string> verdict();
  /// The ranks go together, this one with `exit`.
  void part(core::Exit exit = core::Exit::ok);

 private:
  void meet();
  void give_signs();
  void judge();
  void look_at_others(c10d::Store& store);
  [[nodiscard]] std::string name(int rank) const {
    const auto& host = hosts_[static_cast<std::size_t>(rank)];
    return fmt::format("rank {} (process {} on {})", rank, host.process, host.name);
  }
  void decide(const std::string& reason);
  /// What to do about the verdict, where that is not in an error's own words. To be called with mutex_ held.
  [[nodiscard]] const char* advice() const {
    return verdict_.find(" ended: ") == std::string::npos ? "; the same command goes on from what was saved" : "";
  }
  /// Tells the others what has happened; of several reasons the first one stands.
  void announce(c10d::Store& store, const std::string& reason);
  void linger();
  /// Within so many seconds this process has ended by itself, or it is ended with these words and this code. To be called with mutex_ held.
  void end_within(double seconds, const std::string& last_words, core::Exit exit);

  Launch launch_;
  SessionOptions options_;
  StorePtr store_;
  std::vector<Host> hosts_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string verdict_, last_words_;
  double end_by_ = never;  ///< the monotonic second by which this process has to have ended
  core::Exit exit_ = core::Exit::io;
  bool listening_ = false, over_ = false, done_ = false;  ///< others' silence counts; no more signs are given; the object is gone
  std::atomic<double> heard_ = 0;                         ///< when the store answered last
  std::vector<std::pair<std::string, double>> signs_;
  std::thread giver_;
  std::jthread judge_;
};

Session::Watch::Watch(const Launch& launch, const SessionOptions& options)
    : launch_(launch), options_(options), signs_(static_cast<std::size_t>(launch.size)) {
  // Whoever listens at the store's port may be something else, which takes a connection and never answers.
  end_within(options.meeting + to_end,
             fmt::format("rank {}: what listens at {}:{} does not answer (MASTER_ADDR and MASTER_PORT name the place where the ranks meet)",
                         launch.rank, launch.address, launch.port),
             core::Exit::io);
  judge_ = std::jthread([this] { judge(); });
  try {
    meet();
  } catch (...) {
    const std::lock_guard lock(mutex_);
    done_ = true;
    throw;
  }
}

void Session::Watch::meet() {
  const double begin = core::monotonic_seconds();
  const std::string place = fmt::format("{}:{}", launch_.address, launch_.port);
  const bool keeper = launch_.rank == 0 && !launch_.agent;
  try {
    store_ = open_store(launch_, keeper, options_.meeting);
  } catch (const std::exception& error) {
    if (keeper)
      core::fail(core::Exit::io, "rank 0: the port of {} cannot be opened (is another job at work there? MASTER_PORT names another): {}",
                 place, words_of(error));
    core::fail(core::Exit::io, "rank {}: rank 0 was not to be found at {} within {} seconds (MASTER_ADDR and MASTER_PORT say where): {}",
               launch_.rank, place, options_.meeting, words_of(error));
  }
  std::vector<int> missing;
  for (int rank = 0; rank < launch_.size; ++rank) missing.push_back(rank);
  const auto fail = [&] {
    core::fail(core::Exit::io, "rank {}: of {} ranks these did not come to {} within {} seconds: {}", launch_.rank, launch_.size, place,
               options_.meeting, fmt::join(missing, ", "));
  };
  try {
    put(*store_, key("here", launch_.rank), to_text(this_host()));
    while (!missing.empty()) {
      std::erase_if(missing, [&](int rank) { return store_->check({key("here", rank)}); });
      if (missing.empty()) break;
      if (core::monotonic_seconds() - begin > options_.meeting) fail();
      std::this_thread::sleep_for(20ms);
    }
    for (int rank = 0; rank < launch_.size; ++rank) hosts_.push_back(host_from(text_at(*store_, key("here", rank))));
  } catch (const core::Error&) {
    throw;
  } catch (const std::exception&) {
    fail();  // rank 0 was the first to give up, and the store went with it
  }
}

std::string Session::Watch::address() const {
  const auto loopback = [](const std::string& address) { return address.empty() || address.starts_with("127.") || address == "::1"; };
  std::string address = address_towards(launch_.address, launch_.port);
  if (!loopback(address)) return address;
  // A host may know its own name by an address that means nothing to others.
  for (const Host& other : hosts_)
    if (other.name != hosts_[static_cast<std::size_t>(launch_.rank)].name) {
      const std::string there = address_towards(other.name, launch_.port);
      return loopback(there) ? "" : there;
    }
  return address;
}

int Session::Watch::sharers() const {
  const Host& own = hosts_[static_cast<std::size_t>(launch_.rank)];
  return static_cast<int>(std::count_if(hosts_.begin(), hosts_.end(),
                                        [&](const Host& other) { return other.place == own.place && other.processors == own.processors; }));
}

void Session::Watch::begin() {
  heard_ = core::monotonic_seconds();
  for (auto& sign : signs_) sign.second = heard_;
  const std::lock_guard lock(mutex_);
  end_by_ = never;
  listening_ = true;
  giver_ = std::thread([this] { give_signs(); });
}

void Session::Watch::end_within(double seconds, const std::string& last_words, core::Exit exit) {
  end_by_ = core::monotonic_seconds() + seconds;
  last_words_ = last_words;
  exit_ = exit;
}

void Session::Watch::decide(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (verdict_.empty() && listening_) verdict_ = reason;
  changed_.notify_all();
}

/// Talks to the store, which may take as long as the network likes; how long it has taken is the other thread's concern.
void Session::Watch::give_signs() {
  StorePtr store;
  for (std::int64_t count = 0;; ++count) {
    {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, 1s, [&] { return over_; })) return;
    }
    // A keeper on this host that is gone need not be waited for.
    if (launch_.rank != 0 && !launch_.agent && is_gone(hosts_[0])) decide(name(0) + " is gone");
    try {
      if (!store) store = open_store(launch_, /*server=*/false, options_.silence);
      put(*store, key("sign", launch_.rank), std::to_string(count));
      if (store->check({"end"})) decide(text_at(*store, "end"));
      look_at_others(*store);
      heard_ = core::monotonic_seconds();
    } catch (const std::exception&) {
      store.reset();
    }
  }
}

/// Every rank sees what has become of the processes on its own host; the first one listens to all, and where the launcher keeps the store
/// the others listen to the first.
void Session::Watch::look_at_others(c10d::Store& store) {
  const double now = core::monotonic_seconds();
  for (int rank = 0; rank < launch_.size; ++rank) {
    if (rank == launch_.rank) continue;
    const bool gone = is_gone(hosts_[static_cast<std::size_t>(rank)]), listens = launch_.rank == 0 || (launch_.agent && rank == 0);
    if ((!gone && !listens) || store.check({key("left", rank)})) continue;
    if (gone) announce(store, name(rank) + " is gone");
    if (!listens) continue;
    auto& [sign, when] = signs_[static_cast<std::size_t>(rank)];
    const std::string fresh = store.check({key("sign", rank)}) ? text_at(store, key("sign", rank)) : "";
    if (fresh != sign) sign = fresh, when = now;
    if (now - when > options_.silence) announce(store, fmt::format("{} has not been heard of for {:.0f} seconds", name(rank), now - when));
  }
}

void Session::Watch::announce(c10d::Store& store, const std::string& reason) {
  try {
    const std::vector<std::uint8_t> text(reason.begin(), reason.end());
    const auto first = store.compareSet("end", {}, text);
    decide({first.begin(), first.end()});
  } catch (const std::exception&) {
    decide(reason);
  }
}

/// The program ends by itself, by the error that breaks off what the ranks do together. Where that does not come (a cut link says nothing)
/// it would wait for half an hour, and so would an end that hangs at a store that does not answer, or in the destructor of a process group
/// whose last exchange nobody will answer: whatever is written is written whole or not at all, so the process can just end.
void Session::Watch::judge() {
  constexpr double to_break_off = 3;  // seconds
  std::unique_lock lock(mutex_);
  while (!done_) {
    changed_.wait_for(lock, 500ms);
    const double now = core::monotonic_seconds();
    if (const double quiet = now - heard_; listening_ && verdict_.empty() && quiet > options_.silence) {
      // The other thread may have found the keeper alive just before it went, and be waiting for it since.
      if (launch_.rank == 0 || launch_.agent) {
        verdict_ = fmt::format("the store of the ranks has not answered for {:.0f} seconds", quiet);
      } else if (is_gone(hosts_[0])) {
        verdict_ = name(0) + " is gone";
      } else {
        verdict_ = fmt::format("{} cannot be reached for {:.0f} seconds", name(0), quiet);
      }
      changed_.notify_all();
    }
    if (!verdict_.empty() && end_by_ == never) end_within(to_break_off, verdict_ + advice(), core::Exit::io);
    if (done_ || now < end_by_) continue;
    if (exit_ != core::Exit::ok) core::log_line(core::Level::error, last_words_);
    ::_exit(static_cast<int>(exit_));
  }
}

std::optional<std::string> Session::Watch::verdict() {
  // This rank may be the first to notice, and who is gone is only known when its signs have been missing for long enough.
  constexpr double margin = 4;
  {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, milliseconds(options_.silence + margin), [&] { return !verdict_.empty(); })) return std::nullopt;
    end_within(to_end, verdict_ + advice(), core::Exit::io);
  }
  linger();
  return last_words_;
}

void Session::Watch::end(const std::string& error, core::Exit exit) {
  {
    const std::lock_guard lock(mutex_);
    end_within(to_end, error, exit);
  }
  announce(*store_, fmt::format("rank {} ended: {}", launch_.rank, error));
  linger();
}

/// At an end that was not agreed on: the first rank stays until the others know why, for their store goes with it.
void Session::Watch::linger() {
  constexpr double longest = 2.5;
  try {
    for (const char* what : {"left", "told"}) put(*store_, key(what, launch_.rank), "");
    const double begin = core::monotonic_seconds();
    for (int rank = 1; launch_.rank == 0 && rank < launch_.size; ++rank)
      while (!store_->check({key("told", rank)}) && !is_gone(hosts_[static_cast<std::size_t>(rank)]) &&
             core::monotonic_seconds() - begin < longest)
        std::this_thread::sleep_for(10ms);
  } catch (const std::exception&) {
    // The store is gone, and with it whoever could have asked.
  }
}

/// The ranks go together: the store goes with the first of them, and a connection that ends is a dead rank to the others. The first is the
/// last to come here, for it alone writes; if it is gone before that, the others have failed.
void Session::Watch::part(core::Exit exit) {
  const auto done = [&](double seconds) {
    const std::lock_guard lock(mutex_);
    if (!verdict_.empty()) return;
    listening_ = false;
    end_within(seconds, "the parting of the ranks took too long", exit);
  };
  const auto await = [&](const char* what) {
    const double begin = core::monotonic_seconds();
    for (int rank = 1; rank < launch_.size; ++rank)
      while (!store_->check({key(what, rank)}) && !is_gone(hosts_[static_cast<std::size_t>(rank)]) &&
             core::monotonic_seconds() - begin < options_.silence)
        std::this_thread::sleep_for(5ms);
  };
  if (launch_.rank == 0) done(2 * options_.silence + to_end);
  try {
    put(*store_, key("left", launch_.rank), "");
    if (launch_.rank == 0) {
      await("left");
      put(*store_, "all-left", "");
      await("gone");
    } else {
      while (!store_->check({"all-left"})) {
        std::this_thread::sleep_for(5ms);
        const std::lock_guard lock(mutex_);
        if (!verdict_.empty()) throw LostContact(verdict_);  // the first one's last work failed
      }
      done(to_end);
      put(*store_, key("gone", launch_.rank), "");
    }
  } catch (const std::exception& error) {
    throw LostContact(words_of(error));
  }
}

Session::Watch::~Watch() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
    constexpr double to_come_back = 3;  // seconds: the thread may wait for a store that does not answer, perhaps for ever
    end_by_ = std::min(end_by_, core::monotonic_seconds() + to_come_back);
  }
  if (giver_.joinable()) giver_.join();
  const std::lock_guard lock(mutex_);
  done_ = true;
  changed_.notify_all();
}

Session::Session(const SessionOptions& options) : launch_(detect_launch()) {
  if (launch_.alone()) return;
  core::set_log_tool(fmt::format("{}[{}]", core::log_tool(), launch_.rank));
  if (launch_.rank > 0) core::set_log_level(core::Level::error);  // what a run warns of, all ranks see alike
  watch_ = std::make_unique<Watch>(launch_, options);
  core::share_processors(watch_->sharers());
  watch_->begin();
  try {
    ranks_ = Ranks(gloo(watch_->store(), launch_.rank, launch_.size, watch_->address(), options.meeting));
  } catch (const std::exception& error) {
    auto words = watch_->verdict();
    if (!words) watch_->end(words.emplace(fmt::format("cannot reach the others: {}", words_of(error))), core::Exit::io);
    core::fail(core::Exit::io, "rank {}: {}", launch_.rank, *words);
  }
  static Warnings warnings;
  c10::WarningUtils::set_warning_handler(&warnings);
  core::log_info("{} ranks, started by {}; they met at {}:{}", launch_.size, launch_.launcher, launch_.address, launch_.port);
}

// With the judge still there: a process group waits at its end for exchanges that have begun.
Session::~Session() { ranks_ = Ranks(); }

std::string Session::own_device(const std::string& device) {
  if (launch_.alone() || !device.starts_with("cuda")) return device;
  if (device != "cuda")
    core::fail(core::Exit::usage, "--device {}: {} ranks on one GPU; 'cuda' gives each its own, by its place on its host", device,
               launch_.size);
  add_nccl(*ranks_.communicator(), watch_->store());
  return fmt::format("cuda:{}", launch_.local_rank);
}

void Session::run(const std::function<void()>& work) {
  if (launch_.alone()) return work();
  try {
    try {
      work();
    } catch (const core::Error& error) {
      if (error.exit() != core::Exit::interrupted) throw;
      watch_->part(error.exit());
      throw;
    }
    watch_->part();
  } catch (const core::Error& error) {
    if (error.exit() != core::Exit::interrupted) watch_->end(error.what(), error.exit());
    throw;
  } catch (const std::exception& error) {
    if (!is_lost_contact(error)) {
      watch_->end(words_of(error), core::Exit::internal);
      throw;
    }
    auto words = watch_->verdict();
    if (!words) watch_->end(words.emplace(fmt::format("rank {} lost contact: {}", launch_.rank, words_of(error))), core::Exit::io);
    core::fail(core::Exit::io, "{}", *words);
  }
}

}  // namespace selfsight::dist
