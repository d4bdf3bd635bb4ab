// What Ranks is made of: LibTorch's process group. Only the sources of this folder, and tests that make ranks of threads, include it.
#pragma once

#include "dist/ranks.h"

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace selfsight::dist {

/// An error's words without the calls that LibTorch's errors list behind them.
inline std::string words_of(const std::exception& error) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  return of_torch == nullptr ? error.what() : of_torch->what_without_backtrace();
}

class Communicator {
 public:
  explicit Communicator(c10::intrusive_ptr<c10d::ProcessGroup> group) : group_(std::move(group)) {}
  [[nodiscard]] const c10::intrusive_ptr<c10d::ProcessGroup>& group() const { return group_; }

 private:
  c10::intrusive_ptr<c10d::ProcessGroup> group_;
};

/// Gloo among `size` ranks that meet at `store`; `address`: this host's, as the others reach it ("" leaves the choice to Gloo). They have
/// `seconds` to connect.
std::shared_ptr<Communicator> gloo(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, const std::string& address,
                                   double seconds = 60);
/// Also for tensors on GPUs, by NCCL: the CUDA half of LibTorch must be open already. Error: usage in a build without CUDA.
void add_nccl(Communicator& communicator, const c10::intrusive_ptr<c10d::Store>& store);

}  // namespace selfsight::dist
