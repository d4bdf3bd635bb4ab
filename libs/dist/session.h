// The ranks of a run from their meeting to their parting: nobody waits for one that is gone, and everybody can say which it is.
#pragma once

#include "core/options.h"
#include "dist/launch.h"
#include "dist/ranks.h"

#include <functional>
#include <memory>

namespace selfsight::dist {

struct SessionOptions {
  double meeting = 300;  ///< seconds that ranks wait for each other at the start
  double silence = 15;   ///< seconds after which one that is not heard of is gone

  void describe(core::Options& options);
};

/// Each rank tells the first one every second that it is alive, through the store that they met at, on a thread of its own: so a rank that
/// computes for an hour is not taken for dead, and one whose process, host or network is gone is known by name in time, though all others
/// wait for it in the middle of a reduction.
class Session {
 public:
  /// Meets the other ranks and divides the processors of a host among those that share them; rank 0 logs for all. Alone it does nothing.
  /// Errors: io naming the ranks that did not come in time, or the place where rank 0 is not to be found.
  explicit Session(const SessionOptions& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] const Ranks& ranks() const { return ranks_; }
  [[nodiscard]] const Launch& launch() const { return launch_; }

  /// The device of this rank where the user named `device`: of "cuda" the GPU of its local rank. From then on NCCL is there for what the
  /// ranks do together on GPUs. To be called once the CUDA half of LibTorch is open. Error: usage for one GPU ("cuda:0") of several ranks.
  std::string own_device(const std::string& device);

  /// Runs what the ranks do together. A rank that ends by an error tells the others, which then end with its name and words (io); so
  /// do all others when one is gone. Those of an Exit::interrupted end as they are: the ranks have agreed on it.
  void run(const std::function<void()>& work);

 private:
  class Watch;
  Launch launch_;
  Ranks ranks_;
  std::unique_ptr<Watch> watch_;
};

}  // namespace selfsight::dist
