// fuzz-TARGET FILE-OR-FOLDER...: gives the files to the target as they are, cut at many lengths, and bent. What libFuzzer does with far
// more patience; this needs no more than a compiler.
#include "core/rng.h"
#include "fuzz/target.h"

#include <algorithm>
#include <ctime>
#include <vector>

namespace {

using namespace selfsight;

constexpr int cuts = 16, bendings = 40;
constexpr double most_seconds = 5;

void give(const std::vector<std::byte>& bytes, const fuzz::fs::path& file, const char* how) {
  const std::clock_t start = std::clock();  // of the processor: the machine may be busy
  // A copy of exactly this size on the heap, where a sanitizer sees the first byte too far.
  const std::vector<std::byte> input(bytes.begin(), bytes.end());
  fuzz::try_input(input);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  if (seconds <= most_seconds) return;
  std::fprintf(stderr, "%s, %s: took %.1f s\n", file.c_str(), how, seconds);
  std::exit(1);
}

void give_all(const fuzz::fs::path& file) {
  const std::vector<std::byte> whole = core::read_bytes(file);
  give(whole, file, "whole");
  for (int i = 0; i < cuts; ++i) {
    const std::size_t length = whole.size() * static_cast<std::size_t>(i) / cuts;
    give({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}, file, "cut");
  }
  core::Rng rng(1, core::Stream::test);
  for (int i = 0; i < bendings && !whole.empty(); ++i) {
    std::vector<std::byte> bent = whole;
    for (int k = 0; k <= i % 4; ++k) bent[rng.below(bent.size())] = static_cast<std::byte>(rng.below(256));
    give(bent, file, "bent");
  }
}

}  // namespace

int main(int count, char** arguments) {
  try {
    std::vector<fuzz::fs::path> files;
    for (int i = 1; i < count; ++i) {
      if (!core::is_folder(arguments[i]))
        files.emplace_back(arguments[i]);
      else
        for (const auto& entry : fuzz::fs::directory_iterator(arguments[i])) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const fuzz::fs::path& file : files) give_all(file);
    std::printf("%zu files\n", files.size());
    return files.empty() ? 1 : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "a finding: an exception left the target: %s\n", error.what());
    return 1;
  }
}
