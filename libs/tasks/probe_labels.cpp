#include "tasks/probe_labels.h"

#include "core/error.h"
#include "core/rng.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

namespace selfsight::tasks {

namespace {

/// Positions by class, each class in a random order of its own.
std::map<std::int64_t, std::vector<std::int64_t>> shuffled_classes(std::span<const std::int64_t> samples,
                                                                   std::span<const std::int64_t> labels, std::uint64_t seed,
                                                                   std::uint64_t draw, DrawPurpose purpose) {
  std::map<std::int64_t, std::vector<std::int64_t>> classes;
  for (const std::int64_t sample : samples) classes[labels[static_cast<std::size_t>(sample)]].push_back(sample);
  for (auto& [label, members] : classes) {
    core::Rng rng(seed, core::Stream::split, draw, static_cast<std::uint64_t>(label), static_cast<std::uint64_t>(purpose));
    rng.shuffle(members);
  }
  return classes;
}

}  // namespace

std::string class_text(const std::vector<std::string>& class_names, std::int64_t label) {
  const auto index = static_cast<std::size_t>(label);
  return index < class_names.size() ? fmt::format("'{}'", class_names[index]) : std::to_string(label);
}

LabelledSplit labelled_split(const std::string& origin, const std::string& split, std::vector<std::int64_t> labels,
                             const std::vector<std::string>& class_names) {
  LabelledSplit out{split, std::move(labels), {}, static_cast<std::int64_t>(class_names.size()), 0};
  std::set<std::int64_t> seen;
  for (std::size_t i = 0; i < out.labels.size(); ++i) {
    const std::int64_t label = out.labels[i];
    if (label < 0) continue;
    out.labelled.push_back(static_cast<std::int64_t>(i));
    out.classes = std::max(out.classes, label + 1);
    seen.insert(label);
  }
  out.present = static_cast<std::int64_t>(seen.size());
  if (seen.empty()) core::fail(core::Exit::bad_data, "{}: the split '{}' has no labels, which a probe needs", origin, split);
  if (seen.size() == 1)
    core::fail(core::Exit::bad_data, "{}: all labels of the split '{}' are of one class ({}); a probe needs at least two", origin, split,
               class_text(class_names, *seen.begin()));
  return out;
}

std::vector<LabelBudget> parse_budgets(const std::string& option, const std::vector<std::string>& texts, const LabelledSplit& split) {
  const auto total = static_cast<std::int64_t>(split.labelled.size());
  std::vector<LabelBudget> out;
  if (texts.empty()) core::fail(core::Exit::usage, "{}: name at least one number of labels, or nothing is judged", option);
  for (const std::string& text : texts) {
    LabelBudget budget{text, 0, false};
    if (text == "all") {
      budget.count = total;
    } else {
      const bool percent = text.ends_with('%');
      double value = 0;
      const char* end = text.data() + text.size() - (percent ? 1 : 0);
      const auto [stop, error] = std::from_chars(text.data(), end, value);
      const bool whole = percent || value == std::floor(value);
      if (error != std::errc() || stop != end || !whole || !(value > 0) || value > 1e15)
        core::fail(core::Exit::usage, "{} {}: expected a number of labels (100), a share (1%) or 'all'", option, text);
      budget.count = percent ? std::llround(static_cast<double>(total) * value / 100) : static_cast<std::int64_t>(value);
    }
    if (budget.count > total)
      core::fail(core::Exit::usage, "{} {}: the split '{}' has only {} labelled samples", option, text, split.split, total);
    if (budget.count < split.present)
      core::fail(core::Exit::usage, "{} {}: {} labels are fewer than the {} classes of the split '{}'; ask for at least one a class",
                 option, text, budget.count, split.present, split.split);
    budget.all = budget.count == total;
    const bool known = std::any_of(out.begin(), out.end(), [&](const LabelBudget& other) { return other.count == budget.count; });
    if (!known) out.push_back(budget);
  }
  return out;
}

std::vector<std::int64_t> stratified_draw(std::span<const std::int64_t> samples, std::span<const std::int64_t> labels, std::int64_t count,
                                          std::uint64_t seed, std::uint64_t draw, DrawPurpose purpose) {
  const auto classes = shuffled_classes(samples, labels, seed, draw, purpose);
  if (count > static_cast<std::int64_t>(samples.size()) || count < static_cast<std::int64_t>(classes.size()))
    core::fail(core::Exit::internal, "a draw of {} from {} samples of {} classes", count, samples.size(), classes.size());

  struct Share {
    const std::vector<std::int64_t>* members;
    std::int64_t taken;
    double remainder;
  };
  std::vector<Share> shares;
  std::int64_t given = 0;
  for (const auto& [label, members] : classes) {
    const double exact = static_cast<double>(count) * static_cast<double>(members.size()) / static_cast<double>(samples.size());
    const auto taken = std::max<std::int64_t>(1, static_cast<std::int64_t>(exact));
    shares.push_back({&members, taken, exact - static_cast<double>(taken)});
    given += taken;
  }
  // What is over goes to the classes that are shortest of their exact share; which of equals is drawn by lot.
  core::Rng lot(seed, core::Stream::split, draw, ~std::uint64_t{0}, static_cast<std::uint64_t>(purpose));
  std::vector<std::size_t> order(shares.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  lot.shuffle(order);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return shares[a].remainder > shares[b].remainder; });
  for (std::size_t i = 0; given < count; i = (i + 1) % order.size()) {
    Share& share = shares[order[i]];
    if (share.taken == static_cast<std::int64_t>(share.members->size())) continue;
    ++share.taken;
    ++given;
  }
  for (std::size_t i = order.size(); given > count;
       i = i == 0 ? order.size() : i) {  // "at least one" gave too many: the best supplied give back
    Share& share = shares[order[--i]];
    if (share.taken == 1) continue;
    --share.taken;
    --given;
  }
  std::vector<std::int64_t> out;
  for (const Share& share : shares) out.insert(out.end(), share.members->begin(), share.members->begin() + share.taken);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::int64_t> stratified_folds(std::span<const std::int64_t> labels, std::int64_t folds, std::uint64_t seed,
                                           std::uint64_t draw) {
  std::vector<std::int64_t> positions(labels.size());
  for (std::size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<std::int64_t>(i);
  std::vector<std::int64_t> out(labels.size());
  std::int64_t next = 0;  // goes on from class to class, so that small classes do not all end in the first folds
  for (const auto& [label, members] : shuffled_classes(positions, labels, seed, draw, DrawPurpose::folds))
    for (const std::int64_t position : members) out[static_cast<std::size_t>(position)] = next++ % folds;
  return out;
}

}  // namespace selfsight::tasks
