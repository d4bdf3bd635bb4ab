#include "manifest/targets.h"

#include "core/error.h"
#include "core/files.h"

namespace selfsight::manifest {

namespace {

bool is_stamped(const fs::path& path, const std::string& kind) {
  if (!core::starts_with(path, "{")) return false;  // whatever it is, it need not be read whole
  try {
    const Json document = Json::parse(core::read_text(path));
    return document.value("manifest", "") == kind && document.at("tool").at("name").is_string();
  } catch (const Json::exception&) {
    return false;
  } catch (const core::Error&) {
    return false;
  }
}

}  // namespace

void refuse_foreign(const fs::path& path, const std::string& kind, bool force) {
  core::refuse_foreign(path, force, "a " + kind + " manifest", [&](const fs::path& file) { return is_stamped(file, kind); });
}

void Output::describe(core::Options& options, const std::string& help, bool replaces) {
  options.add("output", &file_, help).letter('o').metavar("FILE").written().runtime();
  if (replaces) core::describe_force(options, &force_);
  options.add("provenance", &provenance_, "keep in the manifest what differs between two runs of one command").runtime();
}

void Output::check(const std::string& kind) const {
  if (given()) refuse_foreign(file_, kind, force_);
}

fs::path Output::folder() const { return given() ? core::absolute_path(fs::path(file_)).parent_path() : core::absolute_path(""); }

}  // namespace selfsight::manifest
