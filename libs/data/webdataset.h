// Shards of WebDataset: plain tars in which the members of one sample share a stem (0001.jpg, 0001.cls, 0001.json). They are read where
// they lie; nothing is unpacked.
#pragma once

#include "data/class_tree.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

namespace selfsight::data {

/// Which members of a sample are what.
struct WebMembers {
  std::string image = "auto";  ///< ending ("jpg", "seg.png"), or "auto": the one member whose ending is an image's
  std::string label = "auto";  ///< "cls": a number; "json:KEY": number or name; "none"; "auto": "cls" where there is one
};

struct WebSample {
  std::string name;           ///< of the image in its tar
  std::int64_t offset, size;  ///< of the image in its tar, in bytes
  std::int32_t header;        ///< header_mark
  std::variant<std::monostate, std::int64_t, std::string> label;
};

struct WebShard {
  std::int64_t bytes = 0;
  std::string digest;                      ///< of the headers of all members
  std::vector<WebSample> samples;          ///< in the order in which their first members come
  std::vector<std::string> without_image;  ///< stems of groups of members that are no sample for want of an image
  PassedOver passed_over;                  ///< members that are neither image nor label, by ending
};

/// Lists the samples of one tar. Errors: no_input; those of list_tar; bad_data naming the tar and the member or stem: a compressed or empty
/// file, two members of one name, several images where `image` is "auto", a label that is missing (unless "auto") or no label.
WebShard read_web_shard(const std::filesystem::path& tar, const WebMembers& members);

}  // namespace selfsight::data
