#include "train/mates.h"

#include "core/error.h"
#include "core/rng.h"
#include "nn/neighbours.h"

#include <algorithm>
#include <map>
#include <vector>

namespace selfsight::train {

namespace {

/// The k nearest others of some rows (int64): rows x k, int64, CPU.
torch::Tensor nearest_others_of(const torch::Tensor& features, const torch::Tensor& rows, std::int64_t k) {
  if (k < 1 || k >= features.size(0)) core::fail(core::Exit::usage, "cannot take {} mates from {} samples", k, features.size(0));
  const torch::Tensor found = nn::nearest(features.index_select(0, rows), features, k + 1).indices.to(torch::kCPU).contiguous();
  const torch::Tensor out = torch::empty({rows.size(0), k}, torch::kInt64);
  const auto* from = found.const_data_ptr<std::int64_t>();
  const auto* row = rows.const_data_ptr<std::int64_t>();
  auto* to = out.mutable_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < rows.size(0); ++i, ++row, from += k + 1, to += k) {
    // With enough duplicates before it the row itself is not among its nearest: then the last of them is one too many.
    std::int64_t* place = std::copy_if(from, from + k, to, [&](std::int64_t other) { return other != *row; });
    if (place != to + k) *place = from[k];
  }
  return out;
}

/// k of the members of a label but `row`, in random order: each once as long as there are enough, then again.
std::vector<std::int64_t> draw_others(const std::vector<std::int64_t>& members, std::int64_t row, std::int64_t k, core::Rng& rng) {
  const auto wanted = static_cast<std::size_t>(k);
  std::vector<std::int64_t> out;
  if (members.size() > 4 * wanted) {  // so many that one is rarely drawn twice: the list need not be copied
    while (out.size() < wanted) {
      const std::int64_t other = members[static_cast<std::size_t>(rng.below(members.size()))];
      if (other != row && std::find(out.begin(), out.end(), other) == out.end()) out.push_back(other);
    }
    return out;
  }
  std::vector<std::int64_t> others = members;
  others.erase(std::lower_bound(others.begin(), others.end(), row));
  if (others.empty()) others.push_back(-1);
  while (out.size() < wanted) {
    rng.shuffle(others);
    out.insert(out.end(), others.begin(), others.begin() + static_cast<std::ptrdiff_t>(std::min(others.size(), wanted - out.size())));
  }
  return out;
}

}  // namespace

torch::Tensor nearest_others(const torch::Tensor& features, std::int64_t k, const dist::Ranks& ranks) {
  const auto [first, last] = ranks.own_part(features.size(0));
  return ranks.gather_parts(nearest_others_of(features, torch::arange(first, last), k));
}

torch::Tensor others_of_label(const torch::Tensor& labels, std::int64_t k, std::uint64_t seed) {
  if (k < 1) core::fail(core::Exit::usage, "cannot take {} mates", k);
  const torch::Tensor plain = labels.to(torch::kCPU, torch::kInt64).contiguous();
  const auto* label = plain.const_data_ptr<std::int64_t>();
  std::map<std::int64_t, std::vector<std::int64_t>> members;
  for (std::int64_t row = 0; row < plain.size(0); ++row) members[label[row]].push_back(row);
  core::Rng rng(seed, core::Stream::shuffle);
  const torch::Tensor out = torch::empty({plain.size(0), k}, torch::kInt64);
  auto* to = out.mutable_data_ptr<std::int64_t>();
  for (std::int64_t row = 0; row < plain.size(0); ++row, to += k) {
    const auto drawn = draw_others(members.at(label[row]), row, k, rng);
    std::copy(drawn.begin(), drawn.end(), to);
  }
  return out;
}

Mates::Mates(std::int64_t samples, std::int64_t per_sample) {
  if (per_sample < 1 || per_sample >= samples)
    core::fail(core::Exit::usage, "{} mates for each image: the split has only {} images in all; give a smaller number", per_sample,
               samples);
  table_ = register_buffer("table", torch::zeros({samples, per_sample}, torch::kInt64));
}

void Mates::find(const torch::Tensor& features) { table_.copy_(nearest_others(features, table_.size(1), ranks_)); }

void Mates::of_label(const torch::Tensor& labels, const torch::Tensor& features, std::uint64_t seed) {
  const torch::Tensor found = others_of_label(labels, table_.size(1), seed);
  const torch::Tensor lonely = found.select(1, 0).lt(0).nonzero().flatten();
  if (lonely.size(0) > 0) found.index_copy_(0, lonely, nearest_others_of(features, lonely, table_.size(1)));
  table_.copy_(found);
}

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
