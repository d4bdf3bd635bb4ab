// What lies at a place of a file of detections: segmentations and keypoints.
#include "core/error.h"
#include "score/detect_files.h"

#include <limits>

namespace selfsight::score {

namespace {

constexpr double largest_side = 65535 * 16;

/// Runs `make`, and says in which file and where in it stands what it complains of.
template <class Make>
void located(const JsonScan& scan, const Make& make) {
  try {
    make();
  } catch (const core::Error& error) {
    scan.fault(error.what());
  }
}

std::uint32_t read_count(JsonScan& scan, double most) {
  const std::int64_t value = scan.integer();
  if (value < 0 || static_cast<double>(value) > most) scan.fault(fmt::format("expected 0 to {}, found {}", most, value));
  return static_cast<std::uint32_t>(value);
}

/// As the official programs: the first polygon must have more than four numbers, the others may be anything.
void read_polygons(JsonScan& scan, std::uint32_t height, std::uint32_t width, metrics::Rle& out) {
  std::vector<metrics::Rle> parts;
  std::vector<double> corners;
  scan.begin_array();
  for (bool first = true; scan.next_element(first);) {
    corners.clear();
    scan.begin_array();
    for (bool first_corner = true; scan.next_element(first_corner);) corners.push_back(scan.number());
    if (parts.empty() && corners.size() <= 4) scan.fault(fmt::format("a polygon of {} numbers", corners.size()));
    located(scan, [&] { parts.push_back(metrics::rle_of_polygon(corners, height, width)); });
  }
  if (parts.empty()) scan.fault("no polygon");
  out = metrics::rle_union(parts);
}

void read_runs(JsonScan& scan, metrics::Rle& out) {
  bool has_size = false, has_counts = false;
  std::string text;
  bool is_text = false;
  out.counts.clear();
  scan.begin_object();
  std::string_view key;
  for (bool first = true; scan.next_member(first, key);) {
    if (key == "size") {
      scan.begin_array();
      std::uint32_t sides[2] = {};
      std::size_t count = 0;
      for (bool first_side = true; scan.next_element(first_side); ++count) {
        if (count == 2) scan.fault("a size of more than two numbers");
        sides[count] = read_count(scan, largest_side);
      }
      if (count != 2) scan.fault("a size that is not height and width");
      out.height = sides[0];
      out.width = sides[1];
      has_size = true;
    } else if (key == "counts") {
      has_counts = true;
      is_text = scan.peek() == '"';
      out.counts.clear();
      if (is_text) {
        text = scan.string();
      } else {
        scan.begin_array();
        for (bool first_count = true; scan.next_element(first_count);)
          out.counts.push_back(read_count(scan, std::numeric_limits<std::uint32_t>::max()));
      }
    } else {
      scan.skip();
    }
  }
  if (!has_size) scan.fault("run lengths without 'size'");
  if (!has_counts) scan.fault("run lengths without 'counts'");
  located(scan, [&] {
    if (is_text)
      metrics::rle_from_text(text, out.height, out.width, out);
    else
      metrics::check_rle(out);
  });
}

}  // namespace

void read_mask(const PagedText& file, std::size_t at, std::uint32_t height, std::uint32_t width, const Place& place, metrics::Rle& out) {
  JsonScan scan(file.text(), at, file.name());
  scan.place = place;
  if (scan.peek() == '[') {
    read_polygons(scan, height, width, out);
  } else if (scan.peek() == '{') {
    read_runs(scan, out);
  } else {
    scan.fault(fmt::format("expected polygons or run lengths, found {}", scan.found()));
  }
}

void read_keypoints(const PagedText& file, std::size_t at, std::size_t count, const Place& place, std::vector<metrics::Keypoint>& out) {
  JsonScan scan(file.text(), at, file.name());
  scan.place = place;
  out.clear();
  double values[3] = {};
  std::size_t got = 0;
  scan.begin_array();
  for (bool first = true; scan.next_element(first);) {
    values[got++ % 3] = scan.number();
    if (got % 3 == 0) out.push_back({values[0], values[1], values[2]});
  }
  if (got % 3 != 0 || out.empty() || (count != 0 && out.size() != count))
    scan.fault(fmt::format("{} numbers where {} keypoints of x, y and visibility are expected (sigmas: --oks-sigmas)", got, count));
}

}  // namespace selfsight::score
