// Videos against the ffmpeg program, where it is installed: of the fixtures, and of all files in a folder VIDEOS=DIR.
#include "core/rng.h"
#include "data/video.h"
#include "unit/support.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> videos() {
  std::vector<fs::path> found;
  const char* more = std::getenv("VIDEOS");
  for (const fs::path& folder : {fs::path(SELFSIGHT_TEST_DATA) / "data" / "videos", fs::path(more == nullptr ? "" : more)}) {
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
      if (entry.path().extension() != ".sh" && entry.path().stem() != "sound-only" && entry.path().stem() != "cover")
        found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string printed_by(const std::string& command) {
  std::string bytes;
  std::FILE* pipe = ::popen((command + " 2> /dev/null").c_str(), "r");  // NOLINT(bugprone-command-processor): the program is the reference
  REQUIRE(pipe != nullptr);
  std::vector<char> piece(1 << 20);
  for (std::size_t got = 0; (got = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;) bytes.append(piece.data(), got);
  ::pclose(pipe);
  return bytes;
}

// All frames as ffmpeg decodes them, each as it comes.
std::string by_ffmpeg(const fs::path& file) {
  return printed_by("ffmpeg -nostdin -v error -i '" + file.string() + "' -map 0:V:0 -fps_mode passthrough -f rawvideo -pix_fmt rgb24 -");
}

bool same(const Image& image, const std::string& bytes, std::int64_t frame) {
  const std::size_t size = image.pixels.size();
  return bytes.size() >= (static_cast<std::size_t>(frame) + 1) * size &&
         std::equal(image.pixels.begin(), image.pixels.end(),
                    bytes.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(frame) * size),
                    [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); });
}

}  // namespace

TEST_CASE("every frame is ffmpeg's, in order and in any order") {
  if (printed_by("ffmpeg -version").empty()) {
    MESSAGE("left out: there is no ffmpeg");
    return;
  }
  for (const fs::path& file : videos()) {
    CAPTURE(file.string());
    const auto video = open_video(file);
    const VideoFacts facts = video->facts();
    const std::string expected = by_ffmpeg(file);
    REQUIRE(static_cast<std::int64_t>(expected.size()) == facts.frames * facts.height * facts.width * 3);
    std::vector<std::int64_t> order(static_cast<std::size_t>(facts.frames));
    std::iota(order.begin(), order.end(), 0);
    std::vector<std::int64_t> came;
    std::int64_t wrong = 0;
    video->read(order, [&](std::int64_t frame, const Image& image) {
      came.push_back(frame);
      wrong += same(image, expected, frame) ? 0 : 1;
    });
    CHECK(came == order);
    CHECK(wrong == 0);
    // One at a time, by turns with a decoder that was used before and a fresh one.
    core::Rng(1, core::Stream::test).shuffle(order);
    order.resize(std::min<std::size_t>(order.size(), 25));
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto fresh = open_video(file);
      const std::int64_t one[] = {order[i]};
      wrong += same((i % 2 == 0 ? *video : *fresh).images(one).front(), expected, order[i]) ? 0 : 1;
    }
    CHECK(wrong == 0);
    // Some frames far apart and some near each other, in one call.
    std::vector<std::int64_t> some(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(order.size(), 6)));
    some.push_back(std::max<std::int64_t>(some.front() - 1, 0));
    some.push_back(some.front());
    const std::vector<Image> images = video->images(some);
    for (std::size_t i = 0; i < some.size(); ++i) wrong += same(images[i], expected, some[i]) ? 0 : 1;
    CHECK(wrong == 0);
  }
}

}  // namespace selfsight::data
