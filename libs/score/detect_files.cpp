#include "score/detect_files.h"

#include "core/error.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>

namespace selfsight::score {

namespace {

using Ids = std::unordered_map<std::int64_t, std::uint32_t>;

constexpr double largest_side = 1e9;  // of an image

[[noreturn]] void lacks(const PagedText& file, const Place& place, std::string_view field) {
  core::fail(core::Exit::bad_data, "{}: {}: no '{}'", file.name(), place.pointer(), field);
}

std::uint32_t read_side(JsonScan& scan) {
  const double value = scan.number();
  if (!(value >= 0 && value <= largest_side)) scan.fault(fmt::format("expected a number of pixels, found {}", value));
  return static_cast<std::uint32_t>(value);
}

std::vector<std::int64_t> read_ids(JsonScan& scan) {
  std::vector<std::int64_t> out;
  scan.begin_array();
  for (bool first = true; scan.next_element(first);) out.push_back(scan.integer());
  return out;
}

/// Four numbers; false for an empty list.
bool read_box(JsonScan& scan, metrics::Box& box) {
  scan.begin_array();
  std::size_t count = 0;
  for (bool first = true; scan.next_element(first); ++count) {
    if (count == box.size()) scan.fault("a box of more than four numbers");
    box[count] = scan.number();
  }
  if (count != 0 && count != box.size()) scan.fault(fmt::format("a box of {} numbers instead of four", count));
  return count != 0;
}

/// Reads one field of a shape; false when `key` is none.
bool read_shape_field(JsonScan& scan, std::string_view key, Shape& shape) {
  if (key == "bbox") {
    scan.place.field = "bbox";
    shape.has_box = read_box(scan, shape.box);
  } else if (key == "segmentation" || key == "keypoints") {
    const bool mask = key == "segmentation";
    scan.place.field = mask ? "segmentation" : "keypoints";
    scan.peek();
    (mask ? shape.segmentation : shape.keypoints) = scan.at();
    scan.skip();
  } else {
    return false;
  }
  return true;
}

struct RawImage {
  TruthImage image;
  std::vector<std::int64_t> absent, incomplete;
  bool has_absent = false, has_incomplete = false, has_height = false, has_width = false;
  std::int64_t item = 0;
};
struct RawCategory {
  TruthCategory category;
  std::int64_t item = 0;
};
struct RawAnnotation {
  Annotation annotation;
  std::int64_t image = 0, category = 0, keypoints = 0;
  bool has_area = false, has_keypoints = false, ignore = false;
};

class TruthReader {
 public:
  TruthReader(const core::fs::path& path, Scored scored) : scored_(scored) {
    out_.file = std::make_unique<PagedText>(path);
    JsonScan scan(out_.file->text(), 0, out_.file->name());
    if (scan.peek() == '[')
      scan.fault("expected the ground truth (an object with images, annotations and categories), found a list: are these the results?");
    scan.begin_object();
    std::string_view key;
    bool lists[3] = {};
    for (bool first = true; scan.next_member(first, key);) {
      if (key == "images") {
        lists[0] = true;
        images_.clear();
        read_list(scan, "images", [&] { read_image(scan); });
      } else if (key == "annotations") {
        lists[1] = true;
        annotations_.clear();
        read_list(scan, "annotations", [&] { read_annotation(scan); });
      } else if (key == "categories") {
        lists[2] = true;
        categories_.clear();
        read_list(scan, "categories", [&] { read_category(scan); });
      } else {
        scan.skip();
      }
    }
    scan.end();
    const char* names[] = {"images", "annotations", "categories"};
    for (int i = 0; i < 3; ++i)
      if (!lists[i]) core::fail(core::Exit::bad_data, "{}: no '{}': not a ground truth of COCO or LVIS", out_.file->name(), names[i]);
  }

  GroundTruth finish(const std::string& protocol) {
    const bool federated = std::any_of(images_.begin(), images_.end(), [](const RawImage& image) { return image.has_absent; });
    out_.protocol = protocol == "lvis" || (protocol == "auto" && federated) ? Protocol::lvis : Protocol::coco;
    if (out_.protocol == Protocol::lvis && scored_ == Scored::keypoints)
      core::fail(core::Exit::usage, "--type keypoints: LVIS has none; --protocol coco scores them");
    finish_categories();
    finish_images();
    finish_annotations();
    return std::move(out_);
  }

 private:
  template <class Read>
  void read_list(JsonScan& scan, std::string_view name, const Read& read) {
    scan.place = {name, -1, ""};
    scan.begin_array();
    for (bool first = true; scan.next_element(first);) {
      ++scan.place.item;
      scan.place.field = "";
      scan.peek();
      const std::size_t from = scan.at();
      read();
      out_.file->used(scan.at() - from);
    }
    scan.place = {};
  }

  void read_image(JsonScan& scan) {
    RawImage raw;
    raw.item = scan.place.item;
    bool has_id = false;
    scan.begin_object();
    std::string_view key;
    for (bool first = true; scan.next_member(first, key); scan.place.field = "") {
      if (key == "id") {
        scan.place.field = "id";
        raw.image.id = scan.integer();
        has_id = true;
      } else if (key == "height") {
        scan.place.field = "height";
        raw.image.height = read_side(scan);
        raw.has_height = true;
      } else if (key == "width") {
        scan.place.field = "width";
        raw.image.width = read_side(scan);
        raw.has_width = true;
      } else if (key == "neg_category_ids") {
        scan.place.field = "neg_category_ids";
        raw.absent = read_ids(scan);
        raw.has_absent = true;
      } else if (key == "not_exhaustive_category_ids") {
        scan.place.field = "not_exhaustive_category_ids";
        raw.incomplete = read_ids(scan);
        raw.has_incomplete = true;
      } else {
        scan.skip();
      }
    }
    if (!has_id) lacks(*out_.file, scan.place, "id");
    images_.push_back(std::move(raw));
  }

  void read_category(JsonScan& scan) {
    RawCategory raw;
    raw.item = scan.place.item;
    bool has_id = false;
    scan.begin_object();
    std::string_view key;
    for (bool first = true; scan.next_member(first, key); scan.place.field = "") {
      if (key == "id") {
        scan.place.field = "id";
        raw.category.id = scan.integer();
        has_id = true;
      } else if (key == "name" && scan.peek() == '"') {
        raw.category.name = scan.string();
      } else if (key == "frequency") {
        scan.place.field = "frequency";
        const std::string text(scan.string());
        if (text != "r" && text != "c" && text != "f") scan.fault(fmt::format("expected 'r', 'c' or 'f', found '{}'", text));
        raw.category.frequency = text[0];
      } else {
        scan.skip();
      }
    }
    if (!has_id) lacks(*out_.file, scan.place, "id");
    if (raw.category.name.empty()) raw.category.name = fmt::format("{}", raw.category.id);
    categories_.push_back(std::move(raw));
  }

  void read_annotation(JsonScan& scan) {
    RawAnnotation raw;
    Annotation& out = raw.annotation;
    out.item = scan.place.item;
    bool has_id = false, has_image = false, has_category = false;
    scan.begin_object();
    std::string_view key;
    for (bool first = true; scan.next_member(first, key); scan.place.field = "") {
      if (key == "id") {
        scan.place.field = "id";
        out.id = scan.integer();
        has_id = true;
      } else if (key == "image_id") {
        scan.place.field = "image_id";
        raw.image = scan.integer();
        has_image = true;
      } else if (key == "category_id") {
        scan.place.field = "category_id";
        raw.category = scan.integer();
        has_category = true;
      } else if (key == "area") {
        scan.place.field = "area";
        out.area = scan.number();
        raw.has_area = true;
      } else if (key == "iscrowd") {
        scan.place.field = "iscrowd";
        out.crowd = scan.flag();
      } else if (key == "ignore") {
        scan.place.field = "ignore";
        raw.ignore = scan.flag();
      } else if (key == "num_keypoints") {
        scan.place.field = "num_keypoints";
        raw.keypoints = scan.integer();
        raw.has_keypoints = true;
      } else if (!read_shape_field(scan, key, out.shape)) {
        scan.skip();
      }
    }
    if (!has_id) lacks(*out_.file, scan.place, "id");
    if (!has_image) lacks(*out_.file, scan.place, "image_id");
    if (!has_category) lacks(*out_.file, scan.place, "category_id");
    annotations_.push_back(raw);
  }

  /// Sorts by id; of entries with one id the last one in the file holds, as in the official programs.
  template <class Raw, class Id>
  static void sort_unique(std::vector<Raw>& list, const Id& id) {
    std::stable_sort(list.begin(), list.end(), [&](const Raw& a, const Raw& b) { return id(a) < id(b); });
    const auto kept = std::unique(list.rbegin(), list.rend(), [&](const Raw& a, const Raw& b) { return id(a) == id(b); });
    list.erase(list.begin(), kept.base());
  }

  void finish_categories() {
    sort_unique(categories_, [](const RawCategory& raw) { return raw.category.id; });
    for (RawCategory& raw : categories_) {
      if (out_.protocol == Protocol::lvis && raw.category.frequency == 0) lacks(*out_.file, {"categories", raw.item, ""}, "frequency");
      category_index_.emplace(raw.category.id, static_cast<std::uint32_t>(out_.categories.size()));
      out_.categories.push_back(std::move(raw.category));
    }
  }

  std::vector<std::uint32_t> categories_of(const std::vector<std::int64_t>& ids) const {
    std::vector<std::uint32_t> out;
    for (const std::int64_t id : ids)
      if (const auto found = category_index_.find(id); found != category_index_.end()) out.push_back(found->second);
    std::sort(out.begin(), out.end());
    return out;
  }

  void finish_images() {
    sort_unique(images_, [](const RawImage& raw) { return raw.image.id; });
    for (RawImage& raw : images_) {
      const Place place{"images", raw.item, ""};
      if (scored_ == Scored::mask && !raw.has_height) lacks(*out_.file, place, "height");
      if (scored_ == Scored::mask && !raw.has_width) lacks(*out_.file, place, "width");
      if (out_.protocol == Protocol::lvis) {
        if (!raw.has_absent) lacks(*out_.file, place, "neg_category_ids");
        if (!raw.has_incomplete) lacks(*out_.file, place, "not_exhaustive_category_ids");
        raw.image.absent = categories_of(raw.absent);
        raw.image.incomplete = categories_of(raw.incomplete);
      }
      image_index_.emplace(raw.image.id, static_cast<std::uint32_t>(out_.images.size()));
      out_.images.push_back(std::move(raw.image));
    }
  }

  void finish_annotations() {
    std::unordered_set<std::int64_t> seen;
    seen.reserve(annotations_.size());
    for (RawAnnotation& raw : annotations_) {
      Annotation& annotation = raw.annotation;
      const Place place{"annotations", annotation.item, ""};
      if (!seen.insert(annotation.id).second)
        core::fail(core::Exit::bad_data,
                   "{}: {}/id: {} is the id of an earlier annotation too (the official programs would take this one twice)",
                   out_.file->name(), place.pointer(), annotation.id);
      const auto image = image_index_.find(raw.image);
      const auto category = category_index_.find(raw.category);
      if (image == image_index_.end() || category == category_index_.end()) {
        ++out_.unknown;
        continue;
      }
      annotation.image = image->second;
      annotation.category = category->second;
      if (!raw.has_area) lacks(*out_.file, place, "area");
      if (scored_ != Scored::mask && !annotation.shape.has_box) lacks(*out_.file, place, "bbox");
      if (scored_ == Scored::mask && annotation.shape.segmentation == 0) lacks(*out_.file, place, "segmentation");
      if (scored_ == Scored::keypoints && annotation.shape.keypoints == 0) lacks(*out_.file, place, "keypoints");
      if (scored_ == Scored::keypoints && !raw.has_keypoints) lacks(*out_.file, place, "num_keypoints");
      if (out_.protocol == Protocol::lvis) {
        if (!(annotation.area > 0)) continue;  // lvis asks for annotations of an area above 0
        annotation.ignored = raw.ignore;
        annotation.crowd = false;
      } else {
        annotation.ignored = annotation.crowd || (scored_ == Scored::keypoints && raw.keypoints == 0);
      }
      out_.annotations.push_back(annotation);
    }
    std::stable_sort(out_.annotations.begin(), out_.annotations.end(), [](const Annotation& a, const Annotation& b) {
      return a.image != b.image ? a.image < b.image : a.category < b.category;
    });
    out_.first.assign(out_.images.size() + 1, 0);
    for (const Annotation& annotation : out_.annotations) ++out_.first[annotation.image + 1];
    for (std::size_t i = 0; i < out_.images.size(); ++i) out_.first[i + 1] += out_.first[i];
  }

  Scored scored_;
  GroundTruth out_;
  std::vector<RawImage> images_;
  std::vector<RawCategory> categories_;
  std::vector<RawAnnotation> annotations_;
  Ids image_index_, category_index_;
};

}  // namespace

GroundTruth read_ground_truth(const core::fs::path& path, const std::string& protocol, Scored scored) {
  return TruthReader(path, scored).finish(protocol);
}

Results read_results(const core::fs::path& path, const GroundTruth& truth) {
  Results out;
  out.file = std::make_unique<PagedText>(path);
  Ids images, categories;
  for (std::size_t i = 0; i < truth.images.size(); ++i) images.emplace(truth.images[i].id, static_cast<std::uint32_t>(i));
  for (std::size_t i = 0; i < truth.categories.size(); ++i) categories.emplace(truth.categories[i].id, static_cast<std::uint32_t>(i));
  JsonScan scan(out.file->text(), 0, out.file->name());
  scan.place.item = 0;

  const auto read_one = [&] {
    Entry entry;
    Shape shape;
    scan.place.field = "";
    scan.peek();
    entry.at = scan.at();
    scan.begin_object();
    bool has_image = false, has_category = false, has_score = false;
    std::string_view key;
    for (bool first = true; scan.next_member(first, key); scan.place.field = "") {
      if (key == "image_id") {
        scan.place.field = "image_id";
        scan.peek();
        const std::int64_t id = scan.integer();
        const auto found = images.find(id);
        if (found == images.end()) scan.fault(fmt::format("{} is no image of the ground truth {}", id, truth.file->name()));
        entry.image = found->second;
        has_image = true;
      } else if (key == "category_id") {
        scan.place.field = "category_id";
        const auto found = categories.find(scan.integer());
        entry.category = found == categories.end() ? unknown_category : found->second;
        has_category = true;
      } else if (key == "score") {
        scan.place.field = "score";
        entry.score = scan.number();
        has_score = true;
      } else if (!read_shape_field(scan, key, shape)) {
        scan.skip();
      }
    }
    if (!has_image) lacks(*out.file, scan.place, "image_id");
    if (!has_category) lacks(*out.file, scan.place, "category_id");
    if (!has_score) lacks(*out.file, scan.place, "score");
    out.unknown += entry.category == unknown_category ? 1 : 0;
    if (const auto& [x, y, width, height] = shape.box; shape.has_box) {
      const TruthImage& image = truth.images[entry.image];
      if (width < 0 || height < 0)
        ++out.negative;
      else if (image.width > 0 && image.height > 0 && (x >= image.width || y >= image.height || x + width <= 0 || y + height <= 0))
        ++out.outside;
    }
    out.entries.push_back(entry);
    out.file->used(scan.at() - entry.at);
    ++scan.place.item;
  };

  if (scan.peek() == '{') {  // JSON Lines
    while (scan.peek() != 0) read_one();
  } else {
    if (scan.peek() != '[') scan.fault(fmt::format("expected a list of results, found {}", scan.found()));
    scan.begin_array();
    for (bool first = true; scan.next_element(first);) read_one();
  }
  scan.place = {};
  scan.end();
  if (out.entries.size() >= unknown_category)
    core::fail(core::Exit::bad_data, "{}: more than {} results", out.file->name(), unknown_category);
  return out;
}

Shape read_shape(const Results& results, std::size_t item, std::size_t* end) {
  JsonScan scan(results.file->text(), results.entries[item].at, results.file->name());
  scan.place.item = static_cast<std::int64_t>(item);
  Shape out;
  scan.begin_object();
  std::string_view key;
  for (bool first = true; scan.next_member(first, key); scan.place.field = "")
    if (!read_shape_field(scan, key, out)) scan.skip();
  if (end != nullptr) *end = scan.at();
  return out;
}

}  // namespace selfsight::score
