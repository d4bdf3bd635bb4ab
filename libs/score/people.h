// Who is on each row of features, and which camera saw it.
#pragma once

#include "metrics/ranking.h"
#include "score/features.h"

#include <optional>
#include <string>
#include <vector>

namespace selfsight::score {

struct People {
  std::vector<metrics::Sighting> sightings;
  bool cameras = false;                    ///< whether the cameras are known
  std::string source;                      ///< where this is from, for the protocol
  std::string file;                        ///< the same for messages: the file that says who is who
  std::vector<std::string> names;          ///< of the rows, for people
  std::vector<manifest::fs::path> images;  ///< empty where there is none
};

/// Identity and camera of a file name of Market-1501 or DukeMTMC-reID: 0002_c1s1_000451_03.jpg, -1_c1s1_000401_03.jpg,
/// 0005_c2_f0046985.jpg.
std::optional<metrics::Sighting> market_name(const manifest::fs::path& file);

/// In this order: `items` (.npy of identities, or of identity and camera; a table with identity and camera, or with the path, image, file
/// or name of each row; .txt with a path a line), the arrays `identity_array` and `camera_array` beside the features, the file names of a
/// features manifest's data set, its labels. Paths are relative to `images`, or to the folder of `items`. Errors: no_input; bad_data:
/// nothing of this is there, other counts, a name that does not tell.
People read_people(const FeatureFile& features, const std::string& items, const std::string& images, const std::string& identity_array,
                   const std::string& camera_array);

}  // namespace selfsight::score
