#include "train/mates.h"

#include "core/error.h"
#include "nn/neighbours.h"

#include <algorithm>

namespace selfsight::train {

torch::Tensor nearest_others(const torch::Tensor& features, std::int64_t k) {
  const std::int64_t count = features.size(0);
  if (k < 1 || k >= count) core::fail(core::Exit::usage, "cannot take {} mates from {} samples", k, count);
  const torch::Tensor found = nn::nearest(features, features, k + 1).indices.to(torch::kCPU).contiguous();
  torch::Tensor out = torch::empty({count, k}, torch::kInt64);
  const auto* from = found.const_data_ptr<std::int64_t>();
  auto* to = out.mutable_data_ptr<std::int64_t>();
  for (std::int64_t row = 0; row < count; ++row) {
    // With enough duplicates before it the row itself is not among its nearest: then the last of them is one too many.
    const auto* begin = from + row * (k + 1);
    std::int64_t* place = std::copy_if(begin, begin + k, to + row * k, [&](std::int64_t other) { return other != row; });
    if (place != to + (row + 1) * k) *place = begin[k];
  }
  return out;
}

Mates::Mates(std::int64_t samples, std::int64_t per_sample) {
  if (per_sample < 1 || per_sample >= samples)
    core::fail(core::Exit::usage, "{} mates for each image: the split has only {} images in all; give a smaller number", per_sample,
               samples);
  table_ = register_buffer("table", torch::zeros({samples, per_sample}, torch::kInt64));
}

void Mates::find(const torch::Tensor& features) { table_.copy_(nearest_others(features, table_.size(1))); }

void Mates::set(const data::MatesTable& table) {
  const auto rows = static_cast<std::int64_t>(table.mates.size()) / table.per_sample;
  if (rows != table_.size(0)) core::fail(core::Exit::usage, "a table of mates of {} samples, for {}", rows, table_.size(0));
  table_.set_data(torch::tensor(table.mates).view({rows, table.per_sample}).to(table_.device()));
}

void Mates::draw(data::EpochPlan& plan, std::uint64_t seed, std::int64_t epoch) const {
  const torch::Tensor table = table_.to(torch::kCPU).contiguous();
  const auto* begin = table.const_data_ptr<std::int64_t>();
  data::draw_mates(plan, {table.size(1), std::vector(begin, begin + table.numel())}, seed, epoch);
}

double Mates::purity(const torch::Tensor& labels) const {
  const torch::Tensor of_mates = labels.index_select(0, table_.to(torch::kCPU).flatten()).view(table_.sizes());
  const torch::Tensor own = labels.unsqueeze(1).expand_as(of_mates);
  const torch::Tensor known = own.ge(0).logical_and(of_mates.ge(0));
  return own.eq(of_mates).logical_and(known).sum().item<double>() / known.sum().item<double>();
}

}  // namespace selfsight::train
