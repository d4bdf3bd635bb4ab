// `vos-segment score`: masks of video objects against the truth, as the official davis2017-evaluation judges them, with the measures of
// unsupervised work on object discovery beside it.
//
// Rules taken over from the official program (its commit of 2020; each has a test):
// - The objects of a sequence are 1..n, n being the highest index of its first annotated frame; what turns up later is background.
// - semi-supervised: object k is judged by the predicted index k; the first and the last annotated frame are left out, and not read from
// the
//   prediction; 255 in the truth is background; a predicted index above n is an error (the official program prints a line and exits with
//   0).
// - unsupervised: every frame counts; predicted indices are proposals, assigned one to one to the objects so that the sum of the sequence
// means
//   of (J + F) / 2 is highest; 255 in the truth is void: no pixel there counts; more than 20 proposals are an error.
// - Empty against empty counts 1, in J and in F. A proposal or object that is missing is an empty one.
// - Rows of objects in the unsupervised task come in the order of the proposals that they were assigned, named SEQUENCE_1 and so on: the
// table
//   of objects has that name and, in columns of their own, which object and which proposal it is.
// - Decay: the official program keeps frame numbers in 8 bits, so over 256 scored frames its figure is of the wrong frames, or undefined
// (null,
//   and then for the whole set). "J decay" follows it; "J decay, corrected" then stands beside it.
#pragma once

#include "core/options.h"
#include "manifest/manifest.h"

#include <cstdint>
#include <string>
#include <vector>

namespace selfsight::score {

/// Task named in predictions manifests that this verb reads; their payload is a folder of SEQUENCE/FRAME.png.
inline constexpr const char* vos_task = "video object segmentation";

struct VosOptions {
  std::string truth, annotations, resolution, set, task = "semi-supervised";
  std::vector<std::string> sequences;
  bool single_object = false;
  std::int64_t max_proposals = 20, overlays = 3;

  void describe(core::Options& options);
  [[nodiscard]] bool unsupervised() const { return task == "unsupervised"; }
};

/// `predictions`: a folder of SEQUENCE/FRAME.png, or a manifest of one. Errors: usage, no_input, bad_data.
manifest::Metrics score_vos(const VosOptions& options, const std::string& predictions, int threads);

}  // namespace selfsight::score
