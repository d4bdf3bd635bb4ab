// Opens a split of a data set as every program does, and reads samples of it in a random order (undecoded, every byte looked at):
//   bench-sources DATASET.json SPLIT READS
// prints seconds to open, samples, MiB of the process's own (mapped files, which the system can drop, are not) after that, reads and MB a
// second.
#include "core/progress.h"
#include "core/rng.h"
#include "data/source.h"

#include <fmt/core.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace {

/// RssAnon of this process, in MiB.
std::int64_t own_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::atoll(line.c_str() + 8) / 1024;
  return -1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace selfsight;
  if (argc != 4) return 64;
  const double begin = core::monotonic_seconds();
  const auto dataset = manifest::read<manifest::Dataset>(argv[1]);
  const auto source = data::open_split(dataset.split(argv[2]));
  const double opened = core::monotonic_seconds() - begin;
  const std::int64_t memory = own_memory();
  const std::int64_t reads = std::atoll(argv[3]);
  core::Rng rng(0, core::Stream::test);
  std::uint64_t bytes = 0, sum = 0;
  const double start = core::monotonic_seconds();
  for (std::int64_t i = 0; i < reads; ++i) {
    const data::Stored stored = source->read(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(source->size()))));
    bytes += stored.bytes.size();
    for (const std::byte b : stored.bytes) sum += std::to_integer<std::uint64_t>(b);
  }
  const double seconds = core::monotonic_seconds() - start;
  fmt::print("{:.3f} {} {} {:.0f} {:.1f}{}\n", opened, source->size(), memory, static_cast<double>(reads) / seconds,
             static_cast<double>(bytes) / 1e6 / seconds, sum == 0 ? " (all zero)" : "");
}
