#include "metrics/rle.h"

#include "core/error.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace selfsight::metrics {

namespace {

constexpr double fineness = 5;        // of the grid that polygons are drawn on
constexpr double farthest = 1e7;      // of a coordinate: steps are 31 bits, and they take time
constexpr int first_difference = 3;   // counts before this one are stored as they are
constexpr char first_character = 48;  // the text form uses characters 48 to 111

/// As a cast does it: what the original rounds by adding a half goes the other way below zero.
int towards_zero(double value) { return static_cast<int>(value); }

std::uint64_t pixels(std::uint32_t height, std::uint32_t width) { return std::uint64_t{height} * width; }

/// Walks over the runs of ones of a mask, as positions [begin, end) in column order.
class Ones {
 public:
  explicit Ones(const Rle& rle) : next_(rle.counts.data()), left_(rle.counts.size() / 2) { step(); }
  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] std::uint32_t begin() const { return begin_; }
  [[nodiscard]] std::uint32_t end() const { return end_; }
  void step() {
    if (left_ == 0) {
      done_ = true;
      return;
    }
    begin_ = end_ + next_[0];
    end_ = begin_ + next_[1];
    next_ += 2;
    --left_;
  }

 private:
  const std::uint32_t* next_;
  std::size_t left_;
  std::uint32_t begin_ = 0, end_ = 0;
  bool done_ = false;
};

/// Mask from positions at which zeros and ones change; a position that comes twice changes nothing.
Rle rle_of_changes(std::vector<std::uint32_t>& changes, std::uint32_t height, std::uint32_t width) {
  std::sort(changes.begin(), changes.end());
  Rle out{height, width, {}};
  std::uint32_t last = 0;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (i + 1 < changes.size() && changes[i] == changes[i + 1]) {
      ++i;
      continue;
    }
    out.counts.push_back(changes[i] - last);
    last = changes[i];
  }
  const auto all = static_cast<std::uint32_t>(pixels(height, width));
  // A change behind the last pixel is none, unless nothing else would be left.
  if (last < all || out.counts.empty()) out.counts.push_back(all - last);
  return out;
}

}  // namespace

Rle rle_of_mask(std::span<const std::uint8_t> columns, std::uint32_t height, std::uint32_t width) {
  if (columns.size() != pixels(height, width))
    core::fail(core::Exit::internal, "mask of {} pixels for {} x {}", columns.size(), height, width);
  Rle out{height, width, {}};
  bool one = false;
  std::uint32_t count = 0;
  for (const std::uint8_t pixel : columns) {
    if ((pixel != 0) != one) {
      out.counts.push_back(count);
      count = 0;
      one = !one;
    }
    ++count;
  }
  out.counts.push_back(count);
  return out;
}

std::vector<std::uint8_t> mask_of_rle(const Rle& rle) {
  std::vector<std::uint8_t> out;
  out.reserve(pixels(rle.height, rle.width));
  for (std::size_t i = 0; i < rle.counts.size(); ++i) out.insert(out.end(), rle.counts[i], i % 2 == 1 ? 1 : 0);
  return out;
}

std::string rle_to_text(const Rle& rle) {
  std::string out;
  for (std::size_t i = 0; i < rle.counts.size(); ++i) {
    std::int64_t value = rle.counts[i];
    if (i >= first_difference) value -= rle.counts[i - 2];
    for (bool more = true; more;) {
      int bits = static_cast<int>(value & 0x1f);
      value >>= 5;
      more = (bits & 0x10) != 0 ? value != -1 : value != 0;
      if (more) bits |= 0x20;
      out.push_back(static_cast<char>(bits + first_character));
    }
  }
  return out;
}

void rle_from_text(std::string_view text, std::uint32_t height, std::uint32_t width, Rle& out) {
  out.height = height;
  out.width = width;
  out.counts.clear();
  for (std::size_t at = 0; at < text.size();) {
    std::int64_t value = 0;
    int shift = 0;
    for (bool more = true; more;) {
      if (at == text.size()) core::fail(core::Exit::bad_data, "run lengths that break off in the middle of a count");
      const int bits = text[at] - first_character;
      if (bits < 0 || bits > 0x3f) core::fail(core::Exit::bad_data, "character {} of the run lengths is none of '0' to 'o'", at);
      if (shift > 30) core::fail(core::Exit::bad_data, "a run length at character {} that is no 32-bit number", at);
      value |= static_cast<std::int64_t>(bits & 0x1f) << shift;
      shift += 5;
      more = (bits & 0x20) != 0;
      if (!more && (bits & 0x10) != 0) value |= std::int64_t{-1} << shift;
      ++at;
    }
    if (out.counts.size() >= first_difference) value += out.counts[out.counts.size() - 2];
    if (value < 0 || value > std::numeric_limits<std::uint32_t>::max())
      core::fail(core::Exit::bad_data, "run length {} is {}", out.counts.size(), value);
    out.counts.push_back(static_cast<std::uint32_t>(value));
  }
  check_rle(out);
}

void check_rle(const Rle& rle) {
  std::uint64_t sum = 0;
  for (const std::uint32_t count : rle.counts) sum += count;
  if (pixels(rle.height, rle.width) > std::numeric_limits<std::uint32_t>::max())
    core::fail(core::Exit::bad_data, "a mask of {} x {} pixels is too large", rle.height, rle.width);
  if (sum != pixels(rle.height, rle.width))
    core::fail(core::Exit::bad_data, "run lengths that sum to {} where height {} x width {} is {}", sum, rle.height, rle.width,
               pixels(rle.height, rle.width));
}

Rle rle_of_polygon(std::span<const double> corners, std::uint32_t height, std::uint32_t width) {
  if (pixels(height, width) > std::numeric_limits<std::int32_t>::max())
    core::fail(core::Exit::bad_data, "an image of {} x {} pixels is too large for polygons", height, width);
  const std::size_t count = corners.size() / 2;
  const auto fine = [&](std::size_t index) {
    const double value = corners[index];
    if (!(std::abs(value) <= farthest)) core::fail(core::Exit::bad_data, "a corner at {}", value);
    return towards_zero(fineness * value + .5);
  };
  std::vector<std::uint32_t> changes;
  bool started = false;
  int last_x = 0, last_y = 0;
  const auto point = [&](int x, int y) {
    if (started && x != last_x) {
      double column = x < last_x ? x : x - 1;
      column = (column + .5) / fineness - .5;
      if (std::floor(column) == column && column >= 0 && column <= static_cast<double>(width) - 1) {
        double row = y < last_y ? y : last_y;
        row = std::ceil(std::clamp((row + .5) / fineness - .5, 0.0, static_cast<double>(height)));
        changes.push_back(static_cast<std::uint32_t>(column) * height + static_cast<std::uint32_t>(row));
      }
    }
    started = true;
    last_x = x;
    last_y = y;
  };
  for (std::size_t j = 0; j < count; ++j) {
    const std::size_t k = (j + 1) % count;
    int x0 = fine(2 * j), y0 = fine(2 * j + 1), x1 = fine(2 * k), y1 = fine(2 * k + 1);
    const int dx = std::abs(x1 - x0), dy = std::abs(y1 - y0);
    const bool flat = dx >= dy;
    const bool backwards = flat ? x0 > x1 : y0 > y1;  // an edge is rounded the same way in both directions
    if (backwards) {
      std::swap(x0, x1);
      std::swap(y0, y1);
    }
    const double slope = flat ? static_cast<double>(y1 - y0) / dx : static_cast<double>(x1 - x0) / dy;
    const int steps = flat ? dx : dy;
    for (int d = 0; d <= steps; ++d) {
      const int t = backwards ? steps - d : d;
      // A single point has the slope 0 / 0; the original's cast of it gives the smallest integer, which lies outside of every image.
      if (flat)
        point(t + x0, dx == 0 ? std::numeric_limits<int>::min() : towards_zero(y0 + slope * t + .5));
      else
        point(towards_zero(x0 + slope * t + .5), t + y0);
    }
  }
  return rle_of_changes(changes, height, width);
}

Rle rle_union(std::span<const Rle> masks) {
  if (masks.empty()) core::fail(core::Exit::internal, "union of no masks");
  Rle out = masks.front();
  std::vector<std::uint32_t> counts;
  for (const Rle& mask : masks.subspan(1)) {
    if (mask.height != out.height || mask.width != out.width) core::fail(core::Exit::internal, "union of masks of different sizes");
    counts.clear();
    std::uint32_t last = 0;
    const auto put = [&](std::uint32_t begin, std::uint32_t end) {
      counts.push_back(begin - last);
      counts.push_back(end - begin);
      last = end;
    };
    std::uint32_t begin = 0, end = 0;
    bool open = false;
    for (Ones a(out), b(mask); !a.done() || !b.done();) {
      Ones& first = b.done() || (!a.done() && a.begin() <= b.begin()) ? a : b;
      if (first.begin() < first.end()) {
        if (open && first.begin() <= end) {
          end = std::max(end, first.end());
        } else {
          if (open) put(begin, end);
          begin = first.begin();
          end = first.end();
          open = true;
        }
      }
      first.step();
    }
    if (open) put(begin, end);
    const auto all = static_cast<std::uint32_t>(pixels(out.height, out.width));
    if (last < all || counts.empty()) counts.push_back(all - last);
    out.counts = counts;
  }
  return out;
}

std::uint32_t rle_area(const Rle& rle) {
  std::uint32_t out = 0;
  for (std::size_t i = 1; i < rle.counts.size(); i += 2) out += rle.counts[i];
  return out;
}

Box rle_box(const Rle& rle) {
  if (rle.height == 0) return {};
  std::uint32_t left = rle.width, right = 0, top = rle.height, bottom = 0;
  bool any = false;
  for (Ones run(rle); !run.done(); run.step()) {
    if (run.begin() == run.end()) continue;
    any = true;
    const std::uint32_t first = run.begin() / rle.height, last = (run.end() - 1) / rle.height;
    left = std::min(left, first);
    right = std::max(right, last);
    if (first < last) {  // the run goes over the end of a column
      top = 0;
      bottom = rle.height - 1;
    } else {
      top = std::min(top, run.begin() - first * rle.height);
      bottom = std::max(bottom, run.end() - 1 - last * rle.height);
    }
  }
  if (!any) return {};
  return {static_cast<double>(left), static_cast<double>(top), static_cast<double>(right - left + 1),
          static_cast<double>(bottom - top + 1)};
}

std::uint32_t rle_intersection(const Rle& a, const Rle& b) {
  std::uint32_t out = 0;
  Ones one(a), other(b);
  while (!one.done() && !other.done()) {
    const std::uint32_t begin = std::max(one.begin(), other.begin()), end = std::min(one.end(), other.end());
    if (begin < end) out += end - begin;
    if (one.end() < other.end())
      one.step();
    else
      other.step();
  }
  return out;
}

double rle_iou(const Rle& detection, const Rle& truth, bool crowd) {
  if (detection.height != truth.height || detection.width != truth.width)
    return box_iou(rle_box(detection), rle_box(truth), crowd) > 0 ? -1 : 0;
  const std::uint32_t common = rle_intersection(detection, truth);
  if (common == 0) return 0;
  const std::uint32_t area = rle_area(detection);
  return static_cast<double>(common) / static_cast<double>(crowd ? area : area + rle_area(truth) - common);
}

double box_iou(const Box& detection, const Box& truth, bool crowd) {
  const double width = std::fmin(detection[2] + detection[0], truth[2] + truth[0]) - std::fmax(detection[0], truth[0]);
  if (width <= 0) return 0;
  const double height = std::fmin(detection[3] + detection[1], truth[3] + truth[1]) - std::fmax(detection[1], truth[1]);
  if (height <= 0) return 0;
  const double common = width * height, area = detection[2] * detection[3];
  return common / (crowd ? area : area + truth[2] * truth[3] - common);
}

}  // namespace selfsight::metrics
