// Manifests in from files and pipes, and out again.
#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "core/tool.h"
#include "manifest/manifest.h"
#include "manifest/paths.h"

#include <algorithm>

namespace selfsight::manifest {

namespace {

/// Deeper than any manifest is, and no danger to a stack.
constexpr int deepest_nesting = 100;

/// "fault at byte 12, line 3", or the number that Python writes and JSON has not.
std::string fault_in(std::string_view text, std::size_t byte) {
  const std::size_t at = std::min(std::max<std::size_t>(byte, 1) - 1, text.size());
  const auto lines = std::count(text.begin(), text.end(), '\n');
  std::string place = fmt::format("byte {}", byte);
  if (lines > 0) place += fmt::format(", line {}", 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
  for (const std::string_view word : {"NaN", "Infinity"})
    if (text.substr(at).starts_with(word)) return fmt::format("{} at {}, which JSON has no number for", word, place);
  return "fault at " + place;
}

}  // namespace

Json parse_json(std::string_view text, const std::string& origin) {
  const auto guard = [&](int depth, Json::parse_event_t, const Json&) {
    if (depth > deepest_nesting) core::fail(core::Exit::bad_data, "{}: JSON nested deeper than {} levels", origin, deepest_nesting);
    return true;
  };
  try {
    return Json::parse(text, guard);
  } catch (const Json::parse_error& error) {
    core::fail(core::Exit::bad_data, "{}: is not JSON: {}", origin, fault_in(text, error.byte));
  } catch (const Json::exception& error) {  // a number beyond all numbers
    core::fail(core::Exit::bad_data, "{}: is not JSON: {}", origin, error.what());
  }
}

namespace {

std::string text_of(const Json& document, const fs::path& file) {
  try {
    return document.dump(1) + '\n';
  } catch (const Json::type_error& error) {  // file names may hold any bytes, JSON may not
    core::fail(core::Exit::bad_data, "{}: a name or text in this manifest is not UTF-8: {}", file.empty() ? "<stdout>" : file.string(),
               error.what());
  }
}

/// True when a relative payload path is not to be found below `folder`.
bool misses_payload(Json document, const fs::path& folder) {
  bool missing = false;
  change_paths(document, folder, [&](const fs::path& path, const fs::path&) {
    std::error_code ignored;
    missing = missing || (path.is_relative() && !fs::exists(folder / path, ignored));
    return path;
  });
  return missing;
}

}  // namespace

Document read_document(const std::string& path) {
  Document out;
  const bool piped = path == "-";
  out.origin = piped ? "<stdin>" : path;
  if (!piped && core::is_folder(path)) {
    std::vector<std::string> near;
    for (const char* usual : {"model.json", "features.json", "metrics.json", "data.json", "plan.json"})
      if (fs::exists(fs::path(path) / usual)) near.push_back((fs::path(path) / usual).string());
    core::fail(core::Exit::no_input, "{}: is a folder, where the file of a manifest is expected{}", path,
               near.empty() ? "" : fmt::format("; did you mean {}?", fmt::join(near, " or ")));
  }
  const std::string text = piped ? core::read_stdin() : core::read_text(path);
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    if (piped) core::fail(core::Exit::bad_data, "nothing arrived on stdin: did the command before it fail?");
    core::fail(core::Exit::bad_data, "{}: is empty", path);
  }
  out.json = parse_json(text, out.origin);
  validate(out.json, out.origin);
  out.kind = out.json.at("manifest").get<std::string>();
  const fs::path written = out.json.value("folder", "");
  out.json.erase("folder");
  out.folder = piped ? core::absolute_path(written) : core::absolute_path(path).parent_path();
  // Redirected into a file ("> model.json"), a manifest may lie elsewhere than its payloads.
  if (!piped && !written.empty() && misses_payload(out.json, out.folder)) out.folder = core::absolute_path(written);
  out.json["folder"] = out.folder.string();
  return out;
}

void stamp(Envelope& envelope, const std::string& tool, const std::vector<std::string>& argv, double seconds,
           const OutputOptions& options) {
  envelope.tool = {{"name", tool}, {"version", core::version_number()}};
  if (options.provenance) {
    envelope.tool["argv"] = argv;
    envelope.tool["seconds"] = seconds;
    return;
  }
  for (auto& input : envelope.inputs)
    if (input.contains("path") && input["path"].is_string()) input["path"] = fs::path(input["path"].get<std::string>()).filename().string();
}

Json input_entry(const std::string& kind, const std::string& origin, const Json& document) {
  return {{"kind", kind}, {"path", origin}, {"digest", core::digest_of(std::string_view(text_of(without_provenance(document), origin)))}};
}

void emit(const Json& document, const fs::path& file) {
  Json out = document;
  if (!file.empty()) {
    const fs::path folder = core::absolute_path(file).parent_path();
    out = with_relative_paths(std::move(out), folder);
    Json on_disk = out;
    on_disk.erase("folder");
    core::write_atomically(file, text_of(on_disk, file));
  } else if (!out.contains("folder")) {
    out["folder"] = core::absolute_path("").string();
  }
  core::write_stdout(text_of(out, ""));
}

}  // namespace selfsight::manifest
