#include "nn/queue.h"

#include "core/error.h"
#include "nn/losses.h"

#include <algorithm>

namespace selfsight::nn {

namespace {

torch::Tensor random_unit_rows(std::int64_t capacity, std::int64_t dim) {
  if (capacity < 1 || dim < 1) core::fail(core::Exit::usage, "a queue of {} rows of {} values cannot be", capacity, dim);
  return unit_rows(torch::randn({capacity, dim}));
}

}  // namespace

void check_queue(std::int64_t capacity, std::int64_t images) {
  if (capacity >= images)
    core::fail(core::Exit::usage,
               "--queue {}: the split has {} images; keep the queue well below that, or a sample's own key is among its negatives",
               capacity, images);
}

Queue::Queue(std::int64_t capacity, std::int64_t dim) : Queue(random_unit_rows(capacity, dim)) {}

Queue::Queue(const torch::Tensor& start) {
  rows_ = register_buffer("rows", start.clone());
  pointer_ = register_buffer("pointer", torch::zeros({}, torch::kInt64));
  filled_ = register_buffer("filled", torch::zeros({}, torch::kInt64));
}

void Queue::push(const torch::Tensor& rows) {
  if (rows.dim() != 2 || rows.size(1) != rows_.size(1))
    core::fail(core::Exit::internal, "a queue of {} columns got rows of shape [{}]", rows_.size(1), fmt::join(rows.sizes(), ", "));
  const torch::NoGradGuard no_grad;
  const std::int64_t size = capacity();
  const torch::Tensor fresh = rows.size(0) > size ? rows.slice(0, rows.size(0) - size) : rows;
  const std::int64_t count = fresh.size(0);
  // The places are computed where the rows are: asking the pointer would wait for the device.
  const torch::Tensor places = (torch::arange(count, pointer_.options()) + pointer_).remainder_(size).to(torch::kInt64);
  rows_.index_copy_(0, places, fresh.to(rows_.scalar_type()));
  pointer_.add_(count).remainder_(size);
  filled_.add_(count).clamp_max_(size);
}

void Queue::stage(const torch::Tensor& rows) { staged_.push_back(ranks_.gather(rows)); }

void Queue::commit() {
  for (const auto& rows : staged_) push(rows);
  staged_.clear();
}

torch::Tensor Queue::newest_first() const {
  const torch::NoGradGuard no_grad;
  // Counted back from the row before the pointer; + capacity keeps the remainder positive.
  const torch::Tensor age = torch::arange(filled(), torch::TensorOptions().dtype(torch::kInt64).device(rows_.device()));
  return rows_.index_select(0, (pointer_ + (2 * capacity() - 1) - age) % capacity());
}

}  // namespace selfsight::nn
