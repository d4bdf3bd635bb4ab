// Where DAVIS, and what is laid out like it, keeps its frames.
#pragma once

#include "score/mask_files.h"
#include "score/vos.h"

namespace selfsight::score {

struct VosSequence {
  std::string name;
  std::vector<MaskPair> frames;  ///< all that are annotated, in the order of their names
};

struct VosFiles {
  fs::path annotations;  ///< the folder of sequences that was used
  std::vector<VosSequence> sequences;
};

/// The sequences to score and their files. Below options.truth lie, as in DAVIS, ANNOTATIONS/RESOLUTION/SEQUENCE/FRAME.png, images of the
/// same names as .jpg below JPEGImages, and lists of sequences in ImageSets/YEAR/SET.txt; RESOLUTION (YouTube-VOS) and ANNOTATIONS may be
/// left out. Errors: no_input and bad_data, naming the folder or list; usage for what a plain folder of sequences has not (lists,
/// resolutions).
VosFiles vos_files(const VosOptions& options, const fs::path& predictions);

}  // namespace selfsight::score
