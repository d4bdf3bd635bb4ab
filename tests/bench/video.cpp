// Clips of eight frames from a set of videos, on one thread. Lines of stdin: number of the video, first frame. Prints seconds of processor
// time for all of them, first with files that were not looked through yet, then again with what is known of them.
#include "data/source_video.h"

#include <cstdio>
#include <ctime>
#include <iostream>
#include <numeric>
#include <utility>
#include <vector>

int main(int /*argc*/, char** argv) {
  using namespace selfsight;
  const auto source = data::open_split(data::describe("video", argv[1]).split("train"));
  std::vector<std::pair<std::int64_t, std::int64_t>> clips;
  for (std::int64_t video = 0, first = 0; std::cin >> video >> first;) clips.emplace_back(video, first);
  for (int pass = 0; pass < 2; ++pass) {
    const std::clock_t begin = std::clock();
    std::int64_t pixels = 0;
    for (const auto& [video, first] : clips) {
      std::vector<std::int64_t> frames(8);
      std::iota(frames.begin(), frames.end(), first);
      for (const data::Image& image : source->video(video)->images(frames)) pixels += static_cast<std::int64_t>(image.pixels.size());
    }
    std::printf("%.3f %lld ", static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, static_cast<long long>(pixels));
  }
  std::printf("\n");
}
