// A first-in first-out bank of past embeddings (MoCo, arXiv 1911.05722, section 3.2; SwAV, arXiv 2006.09882, section 4.1).
#pragma once

#include "dist/ranks.h"
#include "libtorch.h"

#include <cstdint>
#include <vector>

namespace selfsight::nn {

/// Error: usage where a queue of keys is as long as the set has images, so that an image's own last key is among its negatives.
void check_queue(std::int64_t capacity, std::int64_t images);

/// Rows, place and count are buffers, so a checkpoint of the module that holds it holds them too.
class Queue : public torch::nn::Module, public dist::RankAware {
 public:
  /// Starts with random rows of unit length, as MoCo's. Error: usage unless capacity and dim are positive.
  Queue(std::int64_t capacity, std::int64_t dim);
  /// Starts with these rows, capacity x dim; they count as not filled.
  explicit Queue(const torch::Tensor& start);

  /// Overwrites the oldest rows with B x dim new ones, detached; a ring, so B need not divide the capacity. Of more rows than the
  /// capacity the last remain. In place: only after the backward pass of a loss that used rows().
  void push(const torch::Tensor& rows);

  /// push() in two steps, for methods whose batch must not meet itself, or whose update may be skipped or accumulated over several
  /// batches: stage() sets the rows of all ranks aside, in their order, so that their queues stay alike (those of several calls add up) ...
  void stage(const torch::Tensor& rows);
  /// ... commit() pushes them, and discard() forgets them.
  void commit();
  void discard() { staged_.clear(); }

  /// capacity x dim, in the order of the ring; the random rows of the start where nothing was pushed yet.
  [[nodiscard]] const torch::Tensor& rows() const { return rows_; }
  /// filled() x dim, a copy, the newest row first.
  [[nodiscard]] torch::Tensor newest_first() const;
  [[nodiscard]] std::int64_t capacity() const { return rows_.size(0); }
  [[nodiscard]] std::int64_t filled() const { return filled_.item<std::int64_t>(); }
  [[nodiscard]] bool full() const { return filled() == capacity(); }
  void join(const dist::Ranks& ranks) override { ranks_ = ranks; }

 private:
  torch::Tensor rows_, pointer_, filled_;
  std::vector<torch::Tensor> staged_;
  dist::Ranks ranks_;
};

}  // namespace selfsight::nn
