#include "core/error.h"
#include "core/rng.h"
#include "core/threads.h"
#include "report/axis.h"
#include "report/embed2d.h"
#include "report/sections.h"
#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace selfsight::report {
namespace {

int threads_of(const ReportOptions& options) { return options.threads > 0 ? static_cast<int>(options.threads) : core::default_threads(); }

/// `count` of the rows [0, total), drawn without repetition and sorted.
std::vector<std::int64_t> draw_rows(std::int64_t total, std::int64_t count, std::uint64_t seed, std::uint64_t use) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(total));
  std::iota(rows.begin(), rows.end(), 0);
  core::Rng rng(seed, core::Stream::eval, use);
  rng.shuffle(rows);
  rows.resize(static_cast<std::size_t>(std::min(total, count)));
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::vector<std::int64_t> query_rows(const FeatureSet& set, const ReportOptions& options) {
  if (options.queries.empty()) return draw_rows(set.count(), options.query_count, options.seed, 1);
  std::vector<std::int64_t> rows;
  for (const std::int64_t sample : options.queries) {
    const std::int64_t row = set.row_of(sample);
    if (row < 0)
      core::fail(core::Exit::usage, "--queries: sample {} is not among the features of split '{}' ({} samples)", sample, set.split(),
                 set.count());
    rows.push_back(row);
  }
  return rows;
}

/// The rows of `other` that hold the same samples as `rows` of `set`; those it lacks are left out.
std::vector<std::int64_t> same_samples(const FeatureSet& set, const std::vector<std::int64_t>& rows, const FeatureSet& other) {
  std::vector<std::int64_t> out;
  for (const std::int64_t row : rows) {
    if (const std::int64_t there = other.row_of(set.sample(row)); there >= 0) out.push_back(there);
  }
  return out;
}

std::string picture(const FeatureSet& set, std::int64_t row, const std::string& classes, const std::string& badge, const std::string& title,
                    Thumbnails& thumbnails) {
  const std::string name = set.label_name(row);
  return fmt::format("<div class=\"pic {}\" title=\"{}\">{}<img alt=\"{}\" src=\"{}\"><span>{}</span></div>", classes, escape(title), badge,
                     escape(name), thumbnails.uri(set.dataset(), set.split(), set.sample(row)), escape(name));
}

std::string neighbour_grid(const FeatureSet& queries, const FeatureSet& keys, const std::vector<std::int64_t>& rows,
                           const ReportOptions& options, Thumbnails& thumbnails) {
  const auto found = cosine_neighbours(queries, rows, keys, options.neighbours, threads_of(options));
  std::string out = options.neighbours > 8 ? "<div class=\"near wide\">" : "<div class=\"near\">";
  for (std::size_t q = 0; q < rows.size(); ++q) {
    out += "<div class=\"row\">" +
           picture(queries, rows[q], "query", "", fmt::format("sample {} of {}", queries.sample(rows[q]), queries.split()), thumbnails);
    for (const Neighbour& neighbour : found[q]) {
      const bool judged = queries.label(rows[q]) >= 0 && keys.label(neighbour.row) >= 0;
      const bool right = judged && queries.label(rows[q]) == keys.label(neighbour.row);
      out += picture(keys, neighbour.row,
                     !judged ? ""
                     : right ? "right"
                             : "wrong",
                     !judged ? ""
                     : right ? "<i>✓</i>"
                             : "<i>✗</i>",
                     fmt::format("sample {} of {}, cosine {:.3f}", keys.sample(neighbour.row), keys.split(), neighbour.cosine), thumbnails);
    }
    out += "</div>";
  }
  return out + "</div>";
}

/// The share of neighbours with the query's label, over up to 500 queries.
std::string precision_note(const FeatureSet& queries, const FeatureSet& keys, const ReportOptions& options) {
  if (!queries.labelled() || !keys.labelled()) return "";
  const auto rows = draw_rows(queries.count(), 500, options.seed, 2);
  const auto found = cosine_neighbours(queries, rows, keys, options.neighbours, threads_of(options));
  std::int64_t right = 0, all = 0;
  for (std::size_t q = 0; q < rows.size(); ++q) {
    for (const Neighbour& neighbour : found[q]) {
      right += queries.label(rows[q]) == keys.label(neighbour.row) ? 1 : 0;
      ++all;
    }
  }
  return fmt::format("<p class=\"note\">Of the {} nearest of {} {} images among {} of {}, {:.1f} % have the query's label.</p>",
                     options.neighbours, count_text(static_cast<std::int64_t>(rows.size())), escape(queries.split()),
                     count_text(keys.count()), escape(keys.split()),
                     100.0 * static_cast<double>(right) / static_cast<double>(std::max<std::int64_t>(1, all)));
}

/// Rows of a set scaled to length 1, as the map and the principal components see them.
std::vector<float> unit_rows(const FeatureSet& set, const std::vector<std::int64_t>& rows) {
  std::vector<float> out;
  out.reserve(rows.size() * static_cast<std::size_t>(set.dim()));
  for (const std::int64_t row : rows) {
    double square = 0;
    for (const float value : set.row(row)) square += static_cast<double>(value) * static_cast<double>(value);
    const double factor = square > 0 ? 1 / std::sqrt(square) : 0;
    for (const float value : set.row(row)) out.push_back(static_cast<float>(static_cast<double>(value) * factor));
  }
  return out;
}

/// Groups of a map: the classes, or with more than twenty the most frequent of them.
struct Groups {
  std::vector<std::string> names;
  std::vector<std::int64_t> of;  ///< by row drawn; -1: the rest
};

Groups group(const FeatureSet& set, const std::vector<std::int64_t>& rows) {
  constexpr std::size_t most = 20;
  std::map<std::int64_t, std::pair<std::int64_t, std::string>> classes;  // label: count, name
  for (const std::int64_t row : rows) {
    if (set.label(row) < 0) continue;
    auto& entry = classes[set.label(row)];
    ++entry.first;
    entry.second = set.label_name(row);
  }
  std::vector<std::int64_t> labels;
  labels.reserve(classes.size());
  for (const auto& [label, entry] : classes) labels.push_back(label);
  if (labels.size() > most) {
    std::stable_sort(labels.begin(), labels.end(), [&](std::int64_t a, std::int64_t b) { return classes[a].first > classes[b].first; });
    labels.resize(most);
    std::sort(labels.begin(), labels.end());
  }
  Groups out;
  for (const std::int64_t label : labels) out.names.push_back(classes[label].second);
  for (const std::int64_t row : rows) {
    const auto it = std::find(labels.begin(), labels.end(), set.label(row));
    out.of.push_back(set.label(row) < 0 || it == labels.end() ? -1 : it - labels.begin());
  }
  return out;
}

void place(ScatterChart& chart, const FeatureSet& set, const std::vector<std::int64_t>& rows, std::span<const double> y,
           std::size_t stride) {
  Groups groups = group(set, rows);
  chart.groups = std::move(groups.names);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string name = set.label_name(rows[i]);
    chart.points.push_back({y[i * stride], stride > 1 ? y[i * stride + 1] : 0, groups.of[i],
                            fmt::format("{}{}sample {}", name, name.empty() ? "" : ", ", set.sample(rows[i]))});
  }
}

/// Pictures for points that stand apart by more than a picture's size, in the order of a seeded shuffle.
void add_pictures(ScatterChart& chart, const FeatureSet& set, const std::vector<std::int64_t>& rows, std::size_t most, std::uint64_t seed,
                  Thumbnails& thumbnails) {
  std::vector<double> xs, ys;
  for (const ScatterPoint& point : chart.points) {
    xs.push_back(point.x);
    ys.push_back(point.y);
  }
  const Limits x = limits_of(xs), y = limits_of(ys);
  const double unit = std::max((x.high - x.low) / chart.width, (y.high - y.low) / chart.height);
  const double apart = 1.5 * chart.image_size * unit;
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0);
  core::Rng rng(seed, core::Stream::eval, 3);
  rng.shuffle(order);
  for (const std::size_t at : order) {
    if (chart.images.size() == most) break;
    const bool free = std::all_of(chart.images.begin(), chart.images.end(), [&](const ScatterImage& image) {
      return std::max(std::abs(xs[image.point] - xs[at]), std::abs(ys[image.point] - ys[at])) > apart;
    });
    if (free) chart.images.push_back({at, thumbnails.uri(set.dataset(), set.split(), set.sample(rows[at]))});
  }
}

/// A t-SNE map of the rows, with its quality in the note.
ScatterChart tsne_chart(const FeatureSet& set, const std::vector<std::int64_t>& rows, const ReportOptions& options, Pca& components) {
  const auto count = static_cast<std::int64_t>(rows.size());
  const std::vector<float> unit = unit_rows(set, rows);
  components = pca(unit, count, set.dim(), 50, threads_of(options));
  const auto kept = static_cast<std::int64_t>(components.variances.size());
  std::vector<double> start;
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t d = 0; d < 2; ++d) start.push_back(d < kept ? components.scores[static_cast<std::size_t>(i * kept + d)] : 0);
  }
  TsneOptions settings;
  settings.perplexity = options.perplexity;
  settings.threads = threads_of(options);
  const Tsne map = tsne(components.scores, count, kept, start, settings);
  ScatterChart chart;
  chart.title = fmt::format("{}: t-SNE", set.subject());
  chart.note = fmt::format("KL divergence {:.2f}, perplexity {}, {} components ({:.0f} % of the variance)", map.divergence,
                           number_text(map.perplexity), kept, 100 * components.share(static_cast<std::size_t>(kept)));
  place(chart, set, rows, map.y, 2);
  return chart;
}

}  // namespace

Shown choose_features(const std::vector<FeatureSet>& sets, const std::string& subject) {
  const auto with_keys = [&](const FeatureSet& set) {
    const auto it = std::find_if(sets.begin(), sets.end(), [&](const FeatureSet& other) {
      return other.split() == "train" && set.split() != "train" && other.subject() == set.subject() && other.model() == set.model() &&
             other.dim() == set.dim();
    });
    return ShownSet{&set, it == sets.end() ? &set : &*it};
  };
  const FeatureSet* primary = nullptr;
  // Held-out images say more than those trained on.
  const auto rank = [&](const FeatureSet& set) { return (set.subject() == subject ? 2 : 0) + (set.split() != "train" ? 1 : 0); };
  for (const FeatureSet& set : sets) {
    if (primary == nullptr || rank(set) > rank(*primary)) primary = &set;
  }
  Shown shown;
  if (primary == nullptr) return shown;
  shown.primary = with_keys(*primary);
  constexpr std::size_t most_others = 3;
  for (const FeatureSet& set : sets) {
    if (&set != primary && set.split() == primary->split() && shown.others.size() < most_others) shown.others.push_back(with_keys(set));
  }
  return shown;
}

Section neighbours_section(const Shown& shown, const ReportOptions& options, Thumbnails& thumbnails) {
  if (!options.queries.empty() && !shown.primary)
    core::fail(core::Exit::usage, "--queries: the inputs hold no features, so there are no samples to be shown");
  Section section{"neighbours", "Nearest neighbours", "", ""};
  if (!shown.primary || !options.images) {
    section.html =
        absent(!options.images
                   ? "Left out: --no-images was given."
                   : "No features were given: a features manifest (of ssl-embed, or within a metrics manifest) brings neighbours here.");
    return section;
  }
  const FeatureSet &primary = *shown.primary->set, &keys = *shown.primary->keys;
  section.lead = fmt::format(
      "Images of {} (left) and what lies nearest to them by cosine in the features of {}{}. A solid border with ✓ is the same class, a "
      "dashed one with ✗ another.",
      primary.split(), primary.subject(), &keys == &primary ? "" : ", among those of " + keys.split());
  const auto rows = query_rows(primary, options);
  section.html = neighbour_grid(primary, keys, rows, options, thumbnails) + precision_note(primary, keys, options);
  for (const auto& [other, other_keys] : shown.others) {
    const std::vector<std::int64_t> same = same_samples(primary, rows, *other);
    if (!same.empty()) {
      section.html +=
          details(fmt::format("The same images in the features of {}", other->subject()),
                  neighbour_grid(*other, *other_keys, same, options, thumbnails) + precision_note(*other, *other_keys, options));
    }
  }
  return section;
}

Section map_section(const Shown& shown, const ReportOptions& options, Thumbnails& thumbnails) {
  Section section{"map", "Map of the features", "", ""};
  constexpr std::int64_t fewest = 10;
  if (!shown.primary || options.map_points < fewest || shown.primary->set->count() < fewest) {
    section.html = absent(!shown.primary ? "No features were given, so there is nothing to map."
                                         : fmt::format("A map needs at least {} points (--map-points {}, {} rows of features).", fewest,
                                                       options.map_points, shown.primary->set->count()));
    return section;
  }
  const FeatureSet& primary = *shown.primary->set;
  const auto rows = draw_rows(primary.count(), options.map_points, options.seed, 4);
  section.lead = fmt::format(
      "{} of {} images of {}, one mark each, near one another where their features are alike. Colour and shape are the class, which the "
      "features were not told; a click in the legend shows one alone.",
      count_text(static_cast<std::int64_t>(rows.size())), count_text(primary.count()), primary.split());
  Pca components;
  ScatterChart chart = tsne_chart(primary, rows, options, components);
  if (options.images) add_pictures(chart, primary, rows, 110, options.seed, thumbnails);
  section.html = draw(chart);

  std::string small;
  const auto shrink = [](ScatterChart& c) {
    c.width = 440;
    c.height = 340;
    c.radius = 2.4;
    c.legend = false;
  };
  ScatterChart linear;
  linear.title = primary.subject() + ": principal components";
  linear.note = fmt::format("the first two keep {:.0f} % of the variance", 100 * components.share(2));
  place(linear, primary, rows, components.scores, components.variances.size());
  shrink(linear);
  small += draw(linear);
  for (const auto& [other, other_keys] : shown.others) {
    const std::vector<std::int64_t> same = same_samples(primary, rows, *other);
    if (static_cast<std::int64_t>(same.size()) < fewest) continue;
    ScatterChart one = tsne_chart(*other, same, options, components);
    shrink(one);
    small += draw(one);
  }
  section.html += "<div class=\"charts\" style=\"margin-top:14px\">" + small + "</div>";
  return section;
}

}  // namespace selfsight::report
