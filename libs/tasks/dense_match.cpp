#include "tasks/dense_match.h"

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "nn/cells.h"

#include <numeric>

namespace selfsight::tasks {

using core::Exit;
using core::fail;

MatchOptions::MatchOptions() {
  view = data::byol_recipes(0)[0];
  view.scale_min = 0.3;  // views that overlap
  view.blur = view.grey = 0;
}

void MatchOptions::describe(core::Options& o) {
  o.group("Correspondence");
  o.add("split", &split, "split whose images are judged on").metavar("NAME");
  o.add("threshold", &threshold, "T, two cells show the same spot when their centres are nearer than this, in diagonals of the larger cell")
      .range(0.001, 100);
  o.add("draws", &draws, "pairs of views of each image").range(1, 1000);
  bad.describe(o);
  o.add("batch", &batch, "images at a time").range(1, 1 << 20).runtime();
  o.add("workers", &workers, "that load images; 0: one per processor").range(0, 4096).runtime();
  o.group("Network");
  subject.describe(o);
  o.group("Views");
  view.describe(o, "view-");
}

MatchCounts& MatchCounts::operator+=(const MatchCounts& other) {
  cells += other.cells;
  matchable += other.matchable;
  right += other.right;
  same_place += other.same_place;
  by_chance += other.by_chance;
  return *this;
}

MatchCounts count_matches(const torch::Tensor& first, const torch::Tensor& second, const torch::Tensor& a, const torch::Tensor& b,
                          double threshold) {
  const torch::Tensor similar = torch::matmul(nn::unit_cells(nn::cells(first)), nn::unit_cells(nn::cells(second)).transpose(1, 2));
  const torch::Tensor nearest = similar.argmax(2, /*keepdim=*/true).to(torch::kCPU);
  const torch::Tensor matching = nn::cell_distances(a, b, first.size(2), first.size(3)) < threshold;  // N x P x P
  const auto count = [](const torch::Tensor& flags) { return flags.sum().item<std::int64_t>(); };
  return {.cells = matching.size(0) * matching.size(1),
          .matchable = count(matching.any(2)),
          .right = count(matching.gather(2, nearest)),
          .same_place = count(matching.diagonal(0, 1, 2)),
          .by_chance = matching.sum().item<double>() / static_cast<double>(matching.size(2))};
}

namespace {

/// One row from the counts of each draw.
manifest::Row row_of(const std::string& name, const std::vector<MatchCounts>& draws, double (*value)(const MatchCounts&)) {
  manifest::Row row;
  row.name = name;
  row.unit = "%";
  for (const MatchCounts& counts : draws) row.samples.push_back(100 * value(counts));
  row.value = std::accumulate(row.samples.begin(), row.samples.end(), 0.0) / static_cast<double>(draws.size());
  return row;
}

double share(double part, const MatchCounts& counts) { return part / static_cast<double>(counts.matchable); }
double accuracy(const MatchCounts& counts) { return share(static_cast<double>(counts.right), counts); }
double same_place(const MatchCounts& counts) { return share(static_cast<double>(counts.same_place), counts); }
double chance(const MatchCounts& counts) { return share(counts.by_chance, counts); }
/// Where every cell matches every other, nothing can be told apart.
double above_chance(const MatchCounts& counts) {
  return chance(counts) < 1 ? (accuracy(counts) - chance(counts)) / (1 - chance(counts)) : 0;
}

}  // namespace

manifest::Metrics match_cells(const manifest::Model& model, const manifest::Dataset& dataset, const MatchOptions& options) {
  const torch::NoGradGuard no_grad;
  const Subject subject = options.subject.open(model);
  const OpenSplit split = open_split(dataset, options.split, subject, options.bad);
  const torch::Device device = train::open_device(options.subject.device);
  data::Recipe view = options.view;
  if (view.size == 0) view.size = subject.network.size;

  const std::int64_t images = split.source->size();
  data::LoaderOptions loading;
  loading.workers = options.workers;
  data::Loader loader({split.source}, {{view}, {view}}, options.subject.seed, loading);
  core::Progress progress(subject.name + ": cells of " + split.name, images * options.draws, "images");
  std::vector<MatchCounts> draws(static_cast<std::size_t>(options.draws));
  std::string grid;
  for (std::int64_t draw = 0; draw < options.draws; ++draw) {
    loader.start(data::sequential_plan(images, options.batch), draw);
    while (const auto batch = loader.next()) {
      std::array<torch::Tensor, 2> maps, boxes;
      for (std::size_t v = 0; v < 2; ++v) {
        const torch::Tensor x = train::to_tensor(batch->views[v], subject.network.normalisation, device);
        maps[v] = feature_map(*subject.network.backbone, x, subject.layer);
        boxes[v] = nn::crop_boxes(batch->views[v].geometry);
        if (!torch::isfinite(maps[v]).all().item<bool>())
          fail(Exit::bad_data, "{}: features are not finite: the weights are damaged or training diverged", subject.name);
      }
      draws[static_cast<std::size_t>(draw)] += count_matches(maps[0], maps[1], boxes[0], boxes[1], options.threshold);
      grid = fmt::format("{} x {}", maps[0].size(2), maps[0].size(3));
      progress.advance(batch->size());
    }
    if (draws[static_cast<std::size_t>(draw)].matchable == 0)
      fail(Exit::bad_data, "no cell of {} images has a match within --threshold {}; larger crops (--view-scale-min) overlap more", images,
           options.threshold);
  }
  progress.finish();

  MatchCounts total;
  for (const MatchCounts& counts : draws) total += counts;
  manifest::Metrics metrics;
  metrics.model = subject.model;
  metrics.rows = {row_of("cell correspondence", draws, accuracy), row_of("cell correspondence above chance", draws, above_chance),
                  row_of("cell correspondence by chance", draws, chance),
                  row_of("cell correspondence at the same place", draws, same_place)};
  manifest::Json protocol = options.subject.protocol(subject);
  protocol.update({{"images", images},
                   {"draws", options.draws},
                   {"cells", grid},
                   {"threshold", options.threshold},
                   {"cells with a match", 100 * static_cast<double>(total.matchable) / static_cast<double>(total.cells)},
                   {"view", view.size},
                   {"seed of the views", options.subject.seed},
                   {"answer", "of all cells of the other view the one of highest cosine"}});
  for (manifest::Row& row : metrics.rows) {
    row.split = split.name;
    row.subject = subject.name;
    row.protocol = protocol;
  }
  if (auto left_out = left_out_json({&split}); !left_out.empty()) metrics.extra["bad_items"] = std::move(left_out);
  core::log_info("{}: {:.1f} % of the cells find their match, {:.1f} % by chance", subject.name, metrics.rows[0].value,
                 metrics.rows[2].value);
  return metrics;
}

}  // namespace selfsight::tasks
