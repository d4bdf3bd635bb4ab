// Several ranks in one test: threads that meet at a store in memory and talk through Gloo, as processes do.
#pragma once

#include "dist/communicator.h"

#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

namespace selfsight::test {

/// Runs `body` once for each of `size` ranks at the same time. What a body throws comes out here. doctest's checks are for the caller:
/// results go into places of the ranks' own.
inline void with_ranks(int size, const std::function<void(const dist::Ranks&)>& body) {
  // c10d's flight recorder, one for the process, notes its groups without a lock: made for one rank a process.
  static const int no_recorder = setenv("TORCH_FR_BUFFER_SIZE", "0", 1);
  REQUIRE(no_recorder == 0);
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(size));
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < size; ++rank)
      threads.emplace_back([&, rank] {
        try {
          body(dist::Ranks(dist::gloo(store, rank, size, "127.0.0.1")));
        } catch (...) {
          errors[static_cast<std::size_t>(rank)] = std::current_exception();
        }
      });
  }
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
}

/// What each rank gives back, in their order.
inline std::vector<torch::Tensor> of_ranks(int size, const std::function<torch::Tensor(const dist::Ranks&)>& body) {
  std::vector<torch::Tensor> out(static_cast<std::size_t>(size));
  with_ranks(size, [&](const dist::Ranks& ranks) { out[static_cast<std::size_t>(ranks.rank())] = body(ranks); });
  return out;
}

}  // namespace selfsight::test
