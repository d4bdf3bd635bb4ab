// Views a second from encoded JPEGs: the host's half of the data path on all processors, the device's half, and the parts of the latter.
//
//   bench-augment FOLDER [VIEWS=simclr] [SIZE=224] [BATCH=256] [SECONDS=5]
//
// Up to 1,024 JPEGs below the folder are read into memory and used over and over. Prints one line of JSON for each stage.
#include "kernels/cuda/augment.h"
#include "core/error.h"
#include "core/files.h"
#include "core/progress.h"
#include "core/threads.h"
#include "data/bench.h"
#include "kernels/cuda/decode.h"
#include "kernels/cuda/memory.h"
#include "kernels/device_views.h"
#include "train/tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>

using namespace selfsight;
using kernels::cuda::Buffer;
using kernels::cuda::check;

namespace {

struct Sample {
  data::Stored stored;
  data::Size size;
  std::vector<data::Drawn> drawn;  ///< of each view
};

std::vector<Sample> read_samples(const std::filesystem::path& folder, const std::vector<data::Recipe>& recipes) {
  constexpr std::size_t most = 1024;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<Sample> out;
  for (const auto& file : files) {
    if (out.size() == most) break;
    Sample one;
    one.stored.owned = core::read_bytes(file);
    one.stored.bytes = one.stored.owned;
    if (!kernels::suits_device(one.stored, 3)) continue;
    one.size = *data::size_before_decoding(one.stored);
    for (std::size_t v = 0; v < recipes.size(); ++v) {
      core::Rng rng(0, core::Stream::view, 0, out.size(), v);
      one.drawn.push_back(data::draw(recipes[v], one.size.height, one.size.width, rng));
    }
    out.push_back(std::move(one));
  }
  if (out.empty()) core::fail(core::Exit::no_input, "{}: no JPEG that suits a device", folder.string());
  return out;
}

/// Repeats `work` on batches of samples until `seconds` have passed, after one that is not counted; `finish` waits for all of them.
template <typename Work, typename Finish>
void measure(const char* stage, std::size_t views, std::size_t batch, std::size_t samples, double seconds, const Work& work,
             const Finish& finish) {
  work(std::size_t{0});
  finish();
  const double begin = core::monotonic_seconds();
  std::size_t done = 0;
  do {
    work(done * batch % samples);
    ++done;
  } while (core::monotonic_seconds() - begin < seconds);
  finish();
  const double rate = static_cast<double>(done * batch) / (core::monotonic_seconds() - begin);
  fmt::print("{{\"stage\": \"{}\", \"images_per_second\": {:.0f}, \"views_per_second\": {:.0f}}}\n", stage, rate,
             rate * static_cast<double>(views));
  std::fflush(stdout);
}

void run(int argc, char** argv) {
  if (argc < 2) core::fail(core::Exit::usage, "usage: bench-augment FOLDER [VIEWS] [SIZE] [BATCH] [SECONDS]");
  const std::string kind = argc > 2 ? argv[2] : "simclr";
  const std::int64_t size = argc > 3 ? std::stoll(argv[3]) : 224;
  const std::size_t batch = argc > 4 ? std::stoull(argv[4]) : 256;
  const double seconds = argc > 5 ? std::stod(argv[5]) : 5;
  const std::vector<data::Recipe> recipes = data::published_views(kind, size, 96, 6);
  const std::vector<Sample> samples = read_samples(argv[1], recipes);
  const auto at = [&](std::size_t i) -> const Sample& { return samples[i % samples.size()]; };
  const auto measured = [&](const char* stage, std::size_t views, const auto& work, const auto& finish) {
    measure(stage, views, batch, samples.size(), seconds, work, finish);
  };

  const auto on_host = [&](std::size_t first) {
    core::parallel_for(static_cast<std::int64_t>(batch), 1, core::default_threads(), [&](std::int64_t begin, std::int64_t end) {
      thread_local data::Image image, view;
      for (std::int64_t i = begin; i < end; ++i) {
        const Sample& one = at(first + static_cast<std::size_t>(i));
        data::Part part = data::needed(recipes[0], one.drawn[0]);
        for (std::size_t v = 1; v < recipes.size(); ++v) part = data::together(part, data::needed(recipes[v], one.drawn[v]));
        part = data::decode_part(one.stored, 3, {}, part, image);
        for (std::size_t v = 0; v < recipes.size(); ++v) {
          view.reshape(recipes[v].size, recipes[v].size, 3);
          data::apply(image, part, recipes[v], one.drawn[v], view);
        }
      }
    });
  };
  measured("host", recipes.size(), on_host, [] {});

  const torch::Device device = train::open_device("cuda");
  const train::Normalisation usual = train::usual_normalisation(3);
  kernels::DeviceViewsOptions how;
  how.recipes = recipes;
  how.mean = usual.mean, how.stddev = usual.stddev;
  how.dtype = at::kBFloat16;
  how.device = device;
  kernels::DeviceViews views(how);
  const auto synchronize = [] { check(cudaDeviceSynchronize(), "the device"); };
  const auto on_device = [&](std::size_t first) {
    std::vector<data::Stored> pictures(batch);
    std::vector<std::vector<kernels::Request>> requests(recipes.size());
    for (std::size_t i = 0; i < batch; ++i) {
      const Sample& one = at(first + i);
      pictures[i].bytes = one.stored.bytes;
      for (std::size_t v = 0; v < recipes.size(); ++v) requests[v].push_back({i, one.drawn[v]});
    }
    views.take(views.make(pictures, requests));
  };
  measured("device", recipes.size(), on_device, synchronize);
  fmt::print("{{\"decoded_on_device\": {}, \"decoded_on_host\": {}, \"refused\": {}}}\n", views.counts().on_device, views.counts().on_host,
             views.counts().refused);

  // The parts: the first batch's pictures, decoded again and again; then views of them as they lie there.
  std::vector<kernels::cuda::JpegJob> jobs;
  std::vector<std::size_t> places;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < batch; ++i) {
    places.push_back(bytes);
    bytes += static_cast<std::size_t>(at(i).size.height * at(i).size.width * 3 + 255) / 256 * 256;
  }
  Buffer pictures(Buffer::Kind::device), out(Buffer::Kind::device), tasks(Buffer::Kind::device), taps(Buffer::Kind::device),
      scratch(Buffer::Kind::device);
  pictures.room_for(bytes);
  for (std::size_t i = 0; i < batch; ++i) {
    jobs.push_back({at(i).stored.bytes, at(i).size.height, at(i).size.width, reinterpret_cast<std::uint8_t*>(pictures.data() + places[i])});
  }
  kernels::cuda::JpegDecoder decoder(3);
  measured(
      "decode", 0, [&](std::size_t) { decoder.decode(jobs, nullptr); }, synchronize);

  std::vector<kernels::ViewTask> all;
  std::vector<float> weights;
  std::vector<std::size_t> first_tap;
  std::size_t out_bytes = 0, stride = 0;
  for (std::size_t v = 0; v < recipes.size(); ++v) out_bytes += batch * static_cast<std::size_t>(recipes[v].size * recipes[v].size * 3) * 2;
  std::byte* to = out.room_for(out_bytes);
  for (std::size_t v = 0; v < recipes.size(); ++v) {
    for (std::size_t i = 0; i < batch; ++i) {
      const data::Size whole = at(i).size;
      first_tap.push_back(weights.size());
      kernels::ViewTask task = kernels::view_task(recipes[v], at(i).drawn[v], {{0, 0, whole.width, whole.height}}, whole, weights);
      task.picture = jobs[i].out;
      task.out = to;
      to += static_cast<std::size_t>(recipes[v].size * recipes[v].size * 3) * 2;
      stride = std::max(stride, kernels::scratch_bytes(task, 3));
      all.push_back(task);
    }
  }
  const auto* on_device_taps = reinterpret_cast<const float*>(taps.room_for(weights.size() * sizeof(float) + 1));
  for (std::size_t i = 0; i < all.size(); ++i) all[i].taps = on_device_taps + first_tap[i];
  check(cudaMemcpy(taps.data(), weights.data(), weights.size() * sizeof(float), cudaMemcpyHostToDevice), "copying taps");
  check(cudaMemcpy(tasks.room_for(all.size() * sizeof all[0]), all.data(), all.size() * sizeof all[0], cudaMemcpyHostToDevice),
        "copying tasks");
  const int blocks = std::min(kernels::cuda::resident_blocks(3, kernels::Element::bfloat16), static_cast<int>(all.size()));
  scratch.room_for(static_cast<std::size_t>(blocks) * stride);
  const kernels::Normalisation normalisation(usual.mean, usual.stddev);
  measured(
      "kernel", recipes.size(),
      [&](std::size_t) {
        kernels::cuda::make_views(reinterpret_cast<const kernels::ViewTask*>(tasks.data()), std::ssize(all), normalisation, 3,
                                  kernels::Element::bfloat16, scratch.data(), stride, blocks, nullptr);
        synchronize();
      },
      synchronize);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc, argv);
    return 0;
  } catch (const core::Error& error) {
    fmt::print(stderr, "bench-augment: {}\n", error.what());
    return static_cast<int>(error.exit());
  }
}
