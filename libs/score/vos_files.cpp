#include "score/vos_files.h"

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"

#include <algorithm>
#include <sstream>

namespace selfsight::score {

namespace {

using core::Exit;
using core::fail;

using core::is_folder;

/// The first of `candidates` that is a folder, or "".
fs::path first_folder(const std::vector<fs::path>& candidates) {
  const auto found = std::find_if(candidates.begin(), candidates.end(), is_folder);
  return found == candidates.end() ? fs::path() : *found;
}

std::string resolution_of(const VosOptions& options) { return options.resolution.empty() ? "480p" : options.resolution; }

fs::path annotation_folder(const VosOptions& options) {
  fs::path root = options.truth;
  core::need_folder(root, "--truth");
  std::vector<std::string> names{options.annotations};
  if (options.annotations.empty()) names = {options.unsupervised() ? "Annotations_unsupervised" : "Annotations", "Annotations"};
  for (const std::string& name : names) {
    if (!options.resolution.empty() && is_folder(root / name)) core::need_folder(root / name / options.resolution, "--resolution:");
    fs::path found = first_folder({root / name / resolution_of(options), root / name});
    if (found.empty()) continue;
    if (options.annotations.empty() && name != names[0])
      core::log_warning("{}: has no folder {}, the official truth of this task; taking {}", root.string(), names[0], found.string());
    return found;
  }
  if (!options.annotations.empty()) fail(Exit::no_input, "{}: no folder {} in it", root.string(), options.annotations);
  if (!options.resolution.empty())
    fail(Exit::usage, "--resolution {}: {} is a plain folder of sequences, without {}", options.resolution, root.string(), names[0]);
  return root;  // a plain folder of sequences
}

/// Names in ImageSets/YEAR/SET.txt or in the file SET: one a line, or (DAVIS 2016) "/JPEGImages/480p/NAME/00000.jpg ..." for every frame.
std::vector<std::string> listed_sequences(const VosOptions& options) {
  // The official program takes 2019's list for the unsupervised test sets and 2017's otherwise.
  std::string year = options.single_object ? "2016" : "2017";
  if (options.unsupervised() && options.set.starts_with("test-")) year = "2019";
  std::vector<fs::path> places{options.set};
  for (const std::string& folder : {year, std::string("2017"), std::string("2016"), std::string("2019"), resolution_of(options)})
    places.push_back(fs::path(options.truth) / "ImageSets" / folder / (options.set + ".txt"));
  const auto list = std::find_if(places.begin(), places.end(), [](const fs::path& path) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored);
  });
  if (list == places.end() && !is_folder(fs::path(options.truth) / "ImageSets"))
    fail(Exit::usage, "--set {}: no such file, and {} has no lists (ImageSets); --sequences names what is scored", options.set,
         options.truth);
  if (list == places.end())
    fail(Exit::no_input, "--set {}: no such file, and no list of that name in {}", options.set,
         (fs::path(options.truth) / "ImageSets" / year).string());
  std::vector<std::string> names;
  std::istringstream lines(core::read_text(*list));
  for (std::string line, name; std::getline(lines, line);) {
    if (!(std::istringstream(line) >> name)) continue;
    if (name.find('/') != std::string::npos) name = fs::path(name).parent_path().filename().string();
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  if (names.empty()) fail(Exit::bad_data, "{}: lists no sequence", list->string());
  return names;
}

/// Without hidden ones, which file managers and notebooks leave behind.
std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder))
    if (!entry.path().filename().string().starts_with('.')) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> all_sequences(const fs::path& annotations) {
  std::vector<std::string> names;
  for (const fs::path& path : sorted_entries(annotations))
    if (is_folder(path)) names.push_back(path.filename().string());
  if (names.empty()) fail(Exit::bad_data, "{}: no folder of a sequence in it (expected SEQUENCE/FRAME.png)", annotations.string());
  return names;
}

}  // namespace

VosFiles vos_files(const VosOptions& options, const fs::path& predictions) {
  VosFiles out{.annotations = annotation_folder(options), .sequences = {}};
  std::vector<std::string> names = options.sequences;
  if (!names.empty() && !options.set.empty()) fail(Exit::usage, "--set and --sequences: give one of them");
  if (names.empty()) names = options.set.empty() ? all_sequences(out.annotations) : listed_sequences(options);
  for (auto name = names.begin(); name != names.end(); ++name)
    if (std::find(names.begin(), name, *name) != name) fail(Exit::usage, "--sequences: '{}' is named twice", *name);
  const fs::path root = options.truth;
  const fs::path images = first_folder({root / "JPEGImages" / resolution_of(options), root / "JPEGImages"});
  for (const std::string& name : names) {
    VosSequence sequence{.name = name, .frames = {}};
    const fs::path folder = out.annotations / name;
    if (!is_folder(folder)) fail(Exit::no_input, "{}: no such folder of annotations", folder.string());
    const auto entries = sorted_entries(folder);
    if (!entries.empty() && std::all_of(entries.begin(), entries.end(), is_folder))
      fail(Exit::bad_data, "{}: holds folders instead of frames; is it a resolution (--resolution {})?", folder.string(), name);
    if (!is_folder(predictions / name))
      fail(Exit::bad_data, "{}: missing, the predictions for the sequence {} (--set and --sequences choose what is scored)",
           (predictions / name).string(), name);
    for (const fs::path& truth : entries) {
      if (truth.extension() != ".png") continue;
      const std::string stem = truth.stem().string();
      MaskPair pair{
          .name = fmt::format("{}/{}", name, stem), .truth = truth, .prediction = predictions / name / (stem + ".png"), .image = {}};
      std::error_code ignored;
      if (const fs::path image = images / name / (stem + ".jpg"); !images.empty() && fs::exists(image, ignored)) pair.image = image;
      sequence.frames.push_back(std::move(pair));
    }
    const std::size_t least = options.unsupervised() ? 1 : 3;
    if (sequence.frames.size() < least)
      fail(Exit::bad_data, "{}: {} annotated frames (PNG), at least {} are needed{}", folder.string(), sequence.frames.size(), least,
           options.unsupervised() ? "" : ": the first and the last are not scored");
    out.sequences.push_back(std::move(sequence));
  }
  return out;
}

}  // namespace selfsight::score
