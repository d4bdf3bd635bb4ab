#include "data/plan_file.h"

#include "core/error.h"
#include "manifest/payload.h"
#include "manifest/safetensors.h"

#include <cstring>

namespace selfsight::data {

namespace {

/// The plan at `path`, after the checks that batches and mates share.
manifest::Plan open_plan(const std::string& path, const manifest::Split& split, std::int64_t samples, bool of_mates) {
  auto plan = manifest::read<manifest::Plan>(path);
  if (plan.of_mates() != of_mates)
    core::fail(core::Exit::bad_data, "{}: a plan of {}, where one of {} is needed", plan.origin, of_mates ? "batches" : "mates",
               of_mates ? "mates" : "batches");
  if (plan.dataset.is_object()) {
    const auto dataset = manifest::from_json<manifest::Dataset>(plan.dataset, plan.folder, plan.origin);
    if (manifest::content_of(dataset.split(plan.split)) != manifest::content_of(split))
      core::fail(core::Exit::bad_data, "{}: made for another data set: its split '{}' ({} samples) is not the one of this run", plan.origin,
                 plan.split, plan.count);
  }
  if (plan.count != samples)
    core::fail(core::Exit::bad_data, "{}: made for {} samples, but the run has {}{}", plan.origin, plan.count, samples,
               samples < split.count ? " (of --images; make a data set of that part first, with ssl-data split)" : "");
  return plan;
}

std::vector<std::int64_t> integers(const manifest::Safetensors& file, const std::string& key, const std::string& origin) {
  const manifest::TensorView& tensor = file.at(key);
  if (tensor.dtype != "I64") core::fail(core::Exit::bad_data, "{}: '{}' holds {} instead of I64", origin, key, tensor.dtype);
  std::vector<std::int64_t> out(static_cast<std::size_t>(tensor.elements()));
  if (!out.empty()) std::memcpy(out.data(), tensor.bytes.data(), tensor.bytes.size());
  return out;
}

}  // namespace

EpochPlan SavedBatches::epoch(std::uint64_t seed, std::int64_t number) const {
  return plan_in_order(redraw ? guided_order(groups, seed, number) : order, batch);
}

SavedBatches read_batches(const std::string& path, const manifest::Split& split, std::int64_t samples, std::int64_t batch) {
  const manifest::Plan plan = open_plan(path, split, samples, /*of_mates=*/false);
  if (plan.batch != batch) core::fail(core::Exit::usage, "--batch {}: the plan {} is of batches of {}", batch, plan.origin, plan.batch);
  const manifest::Safetensors file(manifest::checked_payload(plan.data, "plan", plan.origin));
  SavedBatches out{integers(file, "order", plan.origin), integers(file, "groups", plan.origin), plan.batch, plan.redraw, plan.data.digest};
  std::vector<bool> seen(static_cast<std::size_t>(samples), false);
  for (const auto sample : out.order) {
    if (sample < 0 || sample >= samples || seen[static_cast<std::size_t>(sample)])
      core::fail(core::Exit::bad_data, "{}: sample {} is {}", plan.origin, sample,
                 sample < 0 || sample >= samples ? "not one of the split's" : "there twice");
    seen[static_cast<std::size_t>(sample)] = true;
  }
  if (static_cast<std::int64_t>(out.order.size()) != samples || out.groups.size() != out.order.size())
    core::fail(core::Exit::bad_data, "{}: does not cover the split: {} of {} samples", plan.origin, out.order.size(), samples);
  return out;
}

MatesTable read_mates(const std::string& path, const manifest::Split& split, std::int64_t samples) {
  const manifest::Plan plan = open_plan(path, split, samples, /*of_mates=*/true);
  const manifest::Safetensors file(manifest::checked_payload(plan.data, "plan", plan.origin));
  MatesTable table{0, integers(file, "mates", plan.origin)};
  table.per_sample = samples > 0 ? static_cast<std::int64_t>(table.mates.size()) / samples : 0;
  if (table.per_sample < 1 || table.per_sample * samples != static_cast<std::int64_t>(table.mates.size()))
    core::fail(core::Exit::bad_data, "{}: {} mates do not divide over {} samples", plan.origin, table.mates.size(), samples);
  for (std::size_t i = 0; i < table.mates.size(); ++i) {
    const auto sample = static_cast<std::int64_t>(i) / table.per_sample, mate = table.mates[i];
    if (mate < 0 || mate >= samples || mate == sample)
      core::fail(core::Exit::bad_data, "{}: the mate {} of sample {} is {}", plan.origin, mate, sample,
                 mate == sample ? "the sample itself" : "not one of the split's");
  }
  return table;
}

}  // namespace selfsight::data
