#include "data/bench.h"

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/threads.h"
#include "data/multi_crop.h"

#include <algorithm>
#include <ctime>
#include <functional>
#include <map>

namespace selfsight::data {
namespace {

double clock_seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Stage {
  std::string name;
  double wall = 0, processor = 0;  ///< seconds an image
};

// Runs over images 0, 1, ..., `count` - 1, 0, ... until `seconds` have passed, and over each at least once.
Stage timed(const std::string& name, double seconds, std::size_t count, const std::function<void(std::size_t)>& work) {
  const double wall = core::monotonic_seconds(), processor = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
  double passed = 0;
  std::size_t done = 0;
  while (done < count || passed < seconds) {
    work(done++ % count);
    passed = core::monotonic_seconds() - wall;
  }
  const auto images = static_cast<double>(done);
  return {name, passed / images, (clock_seconds(CLOCK_THREAD_CPUTIME_ID) - processor) / images};
}

// The samples over and over, in batches, for `seconds` after the first batch.
Stage run_loader(const std::shared_ptr<const Source>& source, const std::vector<ViewSpec>& views, const std::vector<std::int64_t>& samples,
                 const BenchOptions& options, std::int64_t workers) {
  LoaderOptions loading = options.loader;
  loading.workers = workers;
  Loader loader({source}, views, 0, loading);
  std::int64_t images = 0, epoch = 0;
  double wall = 0, processor = 0;
  for (bool first = true; first || core::monotonic_seconds() - wall < options.seconds;) {
    loader.start(plan_in_order(samples, std::min(options.batch, static_cast<std::int64_t>(samples.size()))), epoch++);
    while (const auto batch = loader.next()) {
      if (first) {
        wall = core::monotonic_seconds(), processor = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
        first = false;
        continue;
      }
      images += batch->size();
      if (core::monotonic_seconds() - wall >= options.seconds) break;
    }
  }
  const auto count = static_cast<double>(std::max<std::int64_t>(images, 1));
  return {"loader", (core::monotonic_seconds() - wall) / count, (clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - processor) / count};
}

}  // namespace

std::vector<Recipe> published_views(const std::string& name, std::int64_t size, std::int64_t local, std::int64_t locals) {
  if (name == "simclr") return {simclr_recipe(size), simclr_recipe(size)};
  if (name == "moco") return {moco_v2_recipe(size), moco_v2_recipe(size)};
  if (name == "byol") return byol_recipes(size);
  if (name == "mae") return {mae_recipe(size)};
  if (name == "eval") return {eval_recipe(size)};
  return multi_crop_recipes(name, size, local, locals);
}

void BenchOptions::describe(core::Options& options) {
  options.add("split", &split, "the split to read");
  options.add("views", &views, "the published views to make").choices({"byol", "dino", "eval", "mae", "moco", "simclr", "swav"});
  options.add("size", &size, "side of the views in pixels").range(1, 4096);
  options.add("local-size", &local_size, "side of the local views of dino and swav").range(1, 4096).only_with("views", {"dino", "swav"});
  options.add("locals", &locals, "local views of dino and swav").range(0, 64).only_with("views", {"dino", "swav"});
  options.add("batch", &batch, "images a batch").range(1, 65536);
  options.add("images", &images, "images that are used over and over, chosen at random").range(1, 1e6);
  options.add("seconds", &seconds, "time for each stage").range(0.01, 3600);
  loader.describe(options);
}

manifest::Metrics bench(const manifest::Dataset& dataset, const BenchOptions& options) {
  manifest::Metrics metrics;
  metrics.inputs = dataset.inputs;
  std::vector<manifest::Row>& rows = metrics.rows;
  const std::shared_ptr<const Source> source = open_split(dataset.split(options.split));
  std::vector<std::int64_t> samples;
  for (const BatchPlan& one : shuffled_plan(source->size(), 1, 0, 0, false)) samples.push_back(one.front().sample);
  samples.resize(std::min(samples.size(), static_cast<std::size_t>(options.images)));
  if (samples.empty()) core::fail(core::Exit::bad_data, "{}: the split '{}' is empty", dataset.origin, options.split);
  std::vector<ViewSpec> views;
  for (const Recipe& recipe : published_views(options.views, options.size, options.local_size, options.locals)) views.push_back({recipe});

  const auto count = static_cast<double>(views.size());
  const auto add = [&](const Stage& stage, std::int64_t workers, const std::string& note = "") {
    manifest::Row row{.name = "rate", .value = count / stage.wall, .unit = "views/s", .split = options.split, .subject = "ssl-data"};
    row.protocol = {{"stage", stage.name},
                    {"views", options.views},
                    {"number of views", views.size()},
                    {"size", options.size},
                    {"workers", workers},
                    {"images", samples.size()},
                    {"ms an image", stage.wall * 1000},
                    {"processor ms an image", stage.processor * 1000}};
    rows.push_back(row);
    core::log_info("{:>14} {:>9.0f} views/s {:>9.3f} ms an image{}", stage.name, row.value, stage.wall * 1000, note);
  };

  // Each stage by itself, on one thread. Decoded images stay in memory for the next: as many as are no burden.
  std::vector<Stored> stored;
  std::vector<Image> images;
  constexpr std::size_t most_bytes = std::size_t{256} << 20;
  std::size_t bytes = 0;
  std::vector<std::int64_t> good;
  for (const std::int64_t sample : samples) {
    try {
      Stored one = source->read(sample);
      images.push_back(decode(one, source->channels(), source->name(sample)));
      stored.push_back(std::move(one));
    } catch (const core::Error& error) {
      if (options.loader.on_bad == "fail" || error.exit() != core::Exit::bad_data) throw;
      core::log_warning("{}", error.what());
      continue;
    }
    good.push_back(sample);
    bytes += images.back().pixels.size() + stored.back().bytes.size();
    if (bytes > most_bytes) break;
  }
  samples = good;
  if (samples.empty()) core::fail(core::Exit::bad_data, "{}: no image of the split '{}' decodes", dataset.origin, options.split);
  std::vector<std::vector<Drawn>> drawn(images.size());
  std::vector<Part> wanted(images.size());
  std::vector<std::vector<Image>> crops(images.size());
  for (std::size_t i = 0; i < images.size(); ++i)
    for (std::size_t v = 0; v < views.size(); ++v) {
      core::Rng rng(0, core::Stream::view, 0, i, v);
      drawn[i].push_back(draw(views[v].recipe, images[i].height, images[i].width, rng));
      const Part part = needed(views[v].recipe, drawn[i][v]);
      wanted[i] = v == 0 ? part : together(wanted[i], part);
    }
  Image scratch;
  volatile std::byte touched{};
  const auto run = [&](const std::string& name, const std::function<void(std::size_t)>& work) {
    return timed(name, options.seconds, images.size(), work);
  };
  const auto each_view = [&](std::size_t i, const auto& work) {
    for (std::size_t v = 0; v < views.size(); ++v) work(views[v].recipe, drawn[i][v]);
  };
  const auto only = [](const Drawn& from, bool colour, bool blur) {
    Drawn out{.geometry = from.geometry};
    if (colour) out = from;
    out.blur_sigma = blur ? from.blur_sigma : 0;
    return out;
  };
  std::vector<Stage> stages;
  stages.push_back(run("read", [&](std::size_t i) {
    const Stored one = source->read(samples[i]);
    for (std::size_t at = 0; at < one.bytes.size(); at += 64) touched = one.bytes[at];
  }));
  stages.push_back(run("decode", [&](std::size_t i) { decode_into(stored[i], source->channels(), {}, scratch); }));
  stages.push_back(run("decode-needed", [&](std::size_t i) { decode_part(stored[i], source->channels(), {}, wanted[i], scratch); }));
  Image view;
  stages.push_back(run("crop", [&](std::size_t i) {
    each_view(i, [&](const Recipe& recipe, const Drawn& d) { apply(images[i], recipe, only(d, false, false), view); });
  }));
  const Stage coloured = run("colour", [&](std::size_t i) {
    each_view(i, [&](const Recipe& recipe, const Drawn& d) { apply(images[i], recipe, only(d, true, false), view); });
  });
  const Stage all =
      run("views", [&](std::size_t i) { each_view(i, [&](const Recipe& recipe, const Drawn& d) { apply(images[i], recipe, d, view); }); });
  const Stage crop = stages.back();
  const auto beyond = [](const std::string& name, const Stage& more, const Stage& less) {
    return Stage{name, std::max(more.wall - less.wall, 1e-9), std::max(more.processor - less.processor, 1e-9)};
  };
  stages.push_back(beyond("colour", coloured, crop));
  stages.push_back(beyond("blur", all, coloured));
  stages.push_back(all);
  for (const Stage& stage : stages) add(stage, 1);

  const Stage one = run_loader(source, views, samples, options, 1);
  add(one, 1, ", 1 worker");
  const std::int64_t workers = options.loader.workers > 0 ? options.loader.workers : core::default_threads();
  if (workers > 1) {
    const Stage many = run_loader(source, views, samples, options, workers);
    add(many, workers, fmt::format(", {} workers: {:.2f} times one", workers, one.wall / many.wall));
  }
  const double pure = stages[0].processor + stages[2].processor + all.processor;
  manifest::Row overhead{
      .name = "overhead", .value = 100 * (one.processor / pure - 1), .unit = "%", .split = options.split, .subject = "ssl-data"};
  overhead.protocol = {{"views", options.views}, {"size", options.size}, {"of", "read, decode-needed and views"}};
  core::log_info("{:>14} {:>9.1f} % of processor time above the stages' own", "overhead", overhead.value);
  rows.push_back(overhead);
  const std::array<const Stage*, 5> parts = {&stages[0], &stages[2], &stages[3], &stages[4], &stages[5]};
  const Stage& dearest = **std::max_element(parts.begin(), parts.end(), [](auto* a, auto* b) { return a->wall < b->wall; });
  core::log_info("the bottleneck is {}: {:.0f} % of an image's time", dearest.name,
                 100 * dearest.wall / (stages[0].wall + stages[2].wall + all.wall));
  return metrics;
}

}  // namespace selfsight::data
