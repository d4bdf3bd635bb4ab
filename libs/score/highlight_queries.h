// Highlights that were asked for: QVHighlights (Lei et al. 2021, arXiv 2107.09609), by the rules of the evaluator that its authors publish
// with Moment-DETR. What is found is judged query by query, at three levels of an annotator's mark (0 to 4): very good (4), which is what
// tables of results hold, good (3) and fair (2).
// - HIT@1: whether the clip of the highest score, the first of equal ones, is at the level for any of the annotators.
// - mAP: metrics::interpolated_ap of each annotator; mean over annotators and queries. Clips without a mark have 0; scores that are missing
//   count as 0, those beyond the end of the video are left out (but a HIT@1 there is a miss).
#pragma once

#include "score/highlight.h"

namespace selfsight::score {

/// Whether a truth is of this form: its first line has saliency_scores. False for a file that cannot be read as JSON Lines at all.
bool asks_by_query(const std::string& truth);

/// Errors: usage, no_input, bad_data.
manifest::Metrics score_queries(const HighlightOptions& options);

}  // namespace selfsight::score
