#include "core/threads.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace selfsight;

TEST_CASE("parallel_for visits every index once, whatever the grain and the threads") {
  for (const int threads : {1, 2, 7})
    for (const std::int64_t grain : {1, 3, 1000}) {
      std::vector<std::atomic<int>> visits(100);
      core::parallel_for(100, grain, threads, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
      });
      for (const auto& count : visits) CHECK(count == 1);
    }
}

TEST_CASE("of several errors parallel_for tells the first in the order of the work, not of the clock") {
  for (int round = 0; round < 20; ++round) {
    std::string told;
    try {
      core::parallel_for(8, 1, 4, [](std::int64_t i, std::int64_t) {
        if (i == 1) std::this_thread::sleep_for(std::chrono::milliseconds(5));  // later than those of 2 and 3
        if (i >= 1) throw std::runtime_error(std::to_string(i));
      });
    } catch (const std::runtime_error& error) {
      told = error.what();
    }
    CHECK(told == "1");
  }
}
