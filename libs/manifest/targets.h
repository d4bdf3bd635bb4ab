// Manifests as targets: what `-o FILE` may replace.
#pragma once

#include "core/targets.h"
#include "manifest/manifest.h"

namespace selfsight::manifest {

/// core::refuse_foreign for a manifest of `kind`: replaced is only a manifest of that kind with the stamp of one of our tools, so that
/// a data set's description does not take the place of a model.
void refuse_foreign(const fs::path& path, const std::string& kind, bool force);

/// What every program has whose one manifest goes to stdout and, with -o FILE, to a file as well.
class Output {
 public:
  /// --output (with `help`), --force, --provenance. Without `replaces` there is no --force: the target must be new.
  void describe(core::Options& options, const std::string& help, bool replaces = true);
  /// Before the work. Error: cannot_create, see refuse_foreign.
  void check(const std::string& kind) const;
  [[nodiscard]] bool given() const { return !file_.empty(); }
  [[nodiscard]] fs::path file() const { return file_; }
  /// The folder that payload paths of the manifest are relative to: that of the file, else the working folder.
  [[nodiscard]] fs::path folder() const;
  [[nodiscard]] bool force() const { return force_; }
  [[nodiscard]] bool provenance() const { return provenance_; }

 private:
  std::string file_;
  bool force_ = false, provenance_ = true;
};

}  // namespace selfsight::manifest
