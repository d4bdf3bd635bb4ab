// Seconds to read a file of weights, to load it as tensors, and to write a checkpoint of the same size: bench-state FOLDER MIB ROUNDS.
// One line of JSON for each round; everything is in the page cache.
#include "nn/state.h"
#include "core/progress.h"
#include "train/checkpoint.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

using namespace selfsight;

namespace {

double seconds_of(const std::function<void()>& work) {
  const double begin = core::monotonic_seconds();
  work();
  return core::monotonic_seconds() - begin;
}

/// The floor: the file's bytes in fresh memory, by read().
void read_plainly(const core::fs::path& file) {
  const std::size_t size = core::fs::file_size(file);
  const std::unique_ptr<char[]> bytes(new char[size]);
  const int descriptor = ::open(file.c_str(), O_RDONLY);
  std::size_t done = 0;
  for (ssize_t got = 1; got > 0; done += static_cast<std::size_t>(std::max<ssize_t>(got, 0)))
    got = ::read(descriptor, bytes.get() + done, size - done);
  ::close(descriptor);
  if (done != size) std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 64;
  ::mallopt(M_MMAP_THRESHOLD, 128 << 10);  // every round gets fresh memory, as a program that loads once does
  const core::fs::path folder = argv[1];
  const std::int64_t mib = std::atoll(argv[2]), tensors = 160;  // about as many as a ResNet-50 has
  train::CheckpointState state;
  for (std::int64_t i = 0; i < tensors; ++i)
    state.tensors.emplace(fmt::format("method/layer{}", i), torch::rand({(mib << 20) / tensors / 4}));
  const core::fs::path file = folder / "weights.safetensors";
  nn::save_tensors(file, state.tensors);
  const train::Checkpoints checkpoints(folder / "checkpoints", {.newest = 1});
  for (int round = 0; round < std::atoi(argv[3]); ++round) {
    const double read = seconds_of([&] { read_plainly(file); });
    const double load = seconds_of([&] { nn::load_tensors(file); });
    ++state.step;
    const double save = seconds_of([&] { checkpoints.save(state); });
    const double resume = seconds_of([&] { static_cast<void>(checkpoints.newest()); });
    fmt::print("{{\"MiB\": {}, \"read\": {:.4f}, \"load\": {:.4f}, \"checkpoint\": {:.4f}, \"resume\": {:.4f}}}\n", mib, read, load, save,
               resume);
  }
}
