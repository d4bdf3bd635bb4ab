// Sets of videos: files, and folders of frames.
#pragma once

#include "data/source.h"

namespace selfsight::data {

/// Describes the videos below a folder (split/class/video, class/video, split/video, or side by side), or one video. Every file is looked
/// through for its facts, on all processors; one that cannot be read stays a sample and is warned of. Folders of frames get
/// `frame_rate` frames a second. A split's "video" sums up its facts; "videos" has those of each, where there are no more than 1,000.
/// Errors: no_input; bad_data as class_tree().
manifest::Dataset describe_videos(const std::filesystem::path& path, double frame_rate);

}  // namespace selfsight::data
