// The files of detection: ground truth of COCO and LVIS (instances and person keypoints), and results, both in the official JSON. They are
// read once from front to back; what is large (segmentations, keypoints) stays in the file and is read again, at its place, when its
// image's turn has come.
#pragma once

#include "metrics/detection.h"
#include "score/json_scan.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace selfsight::score {

enum class Protocol { coco, lvis };
enum class Scored { box, mask, keypoints };

/// An object of the ground truth or of the results, as read. What lies in the file has its place there, 0 when it is absent.
struct Shape {
  metrics::Box box{};
  bool has_box = false;
  std::size_t segmentation = 0, keypoints = 0;
};

struct TruthImage {
  std::int64_t id = 0;
  std::uint32_t height = 0, width = 0;  ///< for masks; 0 where the file does not say
  /// Categories, by index and sorted, that are known to be absent, and those whose annotation is not complete (LVIS).
  std::vector<std::uint32_t> absent, incomplete;
};
struct TruthCategory {
  std::int64_t id = 0;
  std::string name;
  char frequency = 0;  ///< 'r', 'c', 'f'; 0 without
};
struct Annotation {
  std::int64_t id = 0;
  std::int64_t item = 0;                  ///< its place in the list, for messages
  std::uint32_t image = 0, category = 0;  ///< indices
  double area = 0;
  bool crowd = false;
  bool ignored = false;  ///< by the protocol's own rule, whatever the area
  Shape shape;
};

struct GroundTruth {
  std::unique_ptr<PagedText> file;
  Protocol protocol = Protocol::coco;
  std::vector<TruthImage> images;         ///< by id
  std::vector<TruthCategory> categories;  ///< by id
  std::vector<Annotation> annotations;    ///< by image, category, place in the file; those of unknown images and categories are left out
  std::vector<std::size_t> first;         ///< annotations of image i: [first[i], first[i + 1])
  std::int64_t unknown = 0;               ///< annotations left out so
};
/// `protocol`: "auto" takes LVIS where images have neg_category_ids, else COCO. Errors: usage (LVIS has no keypoints); no_input; bad_data
/// with file and JSON pointer: what the official programs would stumble over, and annotation ids that come twice (of which they take the
/// last, twice).
GroundTruth read_ground_truth(const core::fs::path& path, const std::string& protocol, Scored scored);

/// A detection's entry in the index of a results file.
struct Entry {
  double score = 0;
  std::size_t at = 0;          ///< byte of its object
  std::uint32_t image = 0;     ///< index
  std::uint32_t category = 0;  ///< index, `unknown_category` for none of the ground truth
};
inline constexpr std::uint32_t unknown_category = 0xffffffff;

struct Results {
  std::unique_ptr<PagedText> file;
  std::vector<Entry> entries;  ///< in the order of the file
  std::int64_t unknown = 0;    ///< detections of unknown categories
  /// Boxes that the official programs take as they are and that can match nothing: of negative width or height, or wholly outside of
  /// their image (where its size is known).
  std::int64_t negative = 0, outside = 0;
};
/// Reads a list of results, or JSON Lines of them. Errors as above; also an image that the ground truth lacks, and a score that is no
/// finite number.
Results read_results(const core::fs::path& path, const GroundTruth& truth);
/// The shape of entry `item` of the results (a bbox that is [] counts as none), and the byte behind it.
Shape read_shape(const Results& results, std::size_t item, std::size_t* end = nullptr);

/// A segmentation at byte `at`: polygons, or run lengths as text or as a list. Polygons are drawn in an image of height x width; run
/// lengths have a size of their own. `pointer` and file are for messages.
void read_mask(const PagedText& file, std::size_t at, std::uint32_t height, std::uint32_t width, const Place& place, metrics::Rle& out);
/// x, y, seen in turn. Error: bad_data unless there are `count` points (any number for 0).
void read_keypoints(const PagedText& file, std::size_t at, std::size_t count, const Place& place, std::vector<metrics::Keypoint>& out);

}  // namespace selfsight::score
