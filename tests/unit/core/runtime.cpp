// Registry, threads, signals, log lines, progress.
#include "core/log.h"
#include "core/progress.h"
#include "core/registry.h"
#include "core/signals.h"
#include "core/threads.h"
#include "unit/support.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <mutex>
#include <set>
#include <thread>

using namespace selfsight;
using namespace selfsight::core;
using selfsight::test::contains;
using selfsight::test::error_of;

namespace {
struct Thing {
  int value = 0;
};
}  // namespace

TEST_CASE("a registry finds what was added, and suggests what is near") {
  auto& registry = Registry<Thing>::instance();
  CHECK(registry.add("simclr", {1}));
  CHECK(registry.add("simsiam", {2}));
  CHECK(registry.find("simsiam", "method").value == 2);
  CHECK(registry.has("simclr"));
  CHECK_FALSE(registry.has("sim"));
  CHECK(error_of(Exit::usage, [&] { registry.find("simcrl", "method"); }) ==
        "unknown method 'simcrl'; did you mean 'simclr'? (known: simclr, simsiam)");
  CHECK(error_of(Exit::usage, [&] { registry.find("zzzzzzzz", "method"); }) == "unknown method 'zzzzzzzz' (known: simclr, simsiam)");
  error_of(Exit::internal, [&] { registry.add("simclr", {3}); });
  CHECK(nearest_name("x", {"a", "b"}).empty());
  CHECK(nearest_name("", {"a", "b"}).empty());
  CHECK(nearest_name("workres", {"epochs", "workers"}) == "workers");
}

TEST_CASE("parallel_for visits every index once, for any counts of threads and grains") {
  CHECK(default_threads() >= 1);
  for (const std::int64_t count : {0, 1, 7, 1000})
    for (const std::int64_t grain : {0, 1, 3, 5000})
      for (const int threads : {0, 1, 4}) {
        std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
        parallel_for(count, grain, threads, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) ++visits.at(static_cast<std::size_t>(i));
        });
        CHECK(std::all_of(visits.begin(), visits.end(), [](const auto& n) { return n == 1; }));
      }
}

TEST_CASE("parallel_for runs on several threads and hands on an error") {
  std::mutex mutex;
  std::set<std::thread::id> ids;
  parallel_for(16, 1, 4, [&](std::int64_t, std::int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  CHECK(ids.size() > 1);
  std::atomic<int> calls{0};
  CHECK(error_of(Exit::bad_data, [&] {
          parallel_for(100000, 1, 3, [&](std::int64_t begin, std::int64_t) {
            ++calls;
            if (begin == 5) fail(Exit::bad_data, "item {} is bad", begin);
          });
        }) == "item 5 is bad");
  CHECK(calls < 100000);
}

TEST_CASE("stop signals raise the flag") {
  catch_stop_signals();
  CHECK(stop_signal() == 0);
  std::raise(SIGTERM);
  CHECK(stop_signal() == SIGTERM);
  request_stop(SIGUSR1);
  CHECK(stop_signal() == SIGUSR1);
  request_stop(0);
  CHECK(stop_signal() == 0);
  // One that came while it was blocked is not lost.
  sigset_t early;
  sigemptyset(&early);
  sigaddset(&early, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &early, nullptr);
  std::raise(SIGUSR1);
  CHECK(stop_signal() == 0);
  catch_stop_signals();
  CHECK(stop_signal() == SIGUSR1);
  request_stop(0);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) std::signal(signal, SIG_DFL);
}

TEST_CASE("log lines carry tool and level, keep to the level asked for, and stay whole between threads") {
  const test::Folder folder;
  set_log_tool("tester");
  {
    const test::Redirect err(STDERR_FILENO, folder / "err");
    log_debug("not shown");
    log_info("{} of {}", 1, 2);
    log_warning("look");
    set_log_level(Level::warning);
    log_info("not shown");
    set_log_level(Level::debug);
    log_debug("shown");
    set_log_level(Level::info);
  }
  CHECK(read_text(folder / "err") == "tester: info: 1 of 2\ntester: warning: look\ntester: debug: shown\n");
  {
    const test::Redirect err(STDERR_FILENO, folder / "err");
    parallel_for(200, 1, 4, [](std::int64_t i, std::int64_t) { log_info("line {} ends", i); });
  }
  const std::string text = read_text(folder / "err");
  CHECK(std::count(text.begin(), text.end(), '\n') == 200);
  for (int i = 0; i < 200; ++i) REQUIRE(text.find(fmt::format("tester: info: line {} ends\n", i)) != std::string::npos);
}

TEST_CASE("a bar is taken away for a log line and drawn again below it") {
  const test::Folder folder;
  set_log_tool("tester");
  {
    const test::Redirect err(STDERR_FILENO, folder / "err");
    set_bar("[===   ]");
    log_info("hello");
    set_bar("");
    set_bar("");
  }
  CHECK(read_text(folder / "err") == "\r\x1b[K[===   ]\r\x1b[Ktester: info: hello\n[===   ]\r\x1b[K");
}

TEST_CASE("progress without a terminal ends with one plain line") {
  const test::Folder folder;
  set_log_tool("tester");
  {
    const test::Redirect err(STDERR_FILENO, folder / "err");
    Progress progress("epoch 1", 10, "steps");
    for (int i = 0; i < 12; ++i) progress.advance(1, "loss 5.81");  // more than was announced
    progress.finish();
    progress.finish();
  }
  const std::string text = read_text(folder / "err");
  CHECK(contains(text, "tester: info: epoch 1: 12/10 steps, "));
  CHECK(contains(text, "took 0:00, loss 5.81\n"));
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
}
