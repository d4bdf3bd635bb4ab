// Payload paths inside manifest documents. On disk they are relative to the manifest's folder where they lie below it, in memory
// they are absolute; these functions go from one to the other, through nested manifests too.
#pragma once

#include "manifest/manifest.h"

#include <functional>

namespace selfsight::manifest {

/// Calls `change` with each payload path of `document` and with the folder that it refers to when it is relative, and puts what
/// comes back in its place. A payload is an object with "path" and "digest" (or nothing but "path"), or a split's "root";
/// "tool" and "inputs" only tell of the past and are left alone. A nested manifest's own "folder" wins over the outer one.
void change_paths(Json& document, const fs::path& folder,
                  const std::function<fs::path(const fs::path& path, const fs::path& folder)>& change);

/// The document with absolute paths and without any "folder".
Json with_absolute_paths(Json document, const fs::path& folder);
/// The document with paths relative to `folder` where they lie below it, and that folder as its "folder".
Json with_relative_paths(Json document, const fs::path& folder);
/// What a document says, without how it was made: no tool, inputs or folder, at any depth.
Json without_provenance(Json document);
/// The same also without where payloads lie and, of a model, how it came about: what the result of a program that reads it depends on.
Json content_alone(Json document);

}  // namespace selfsight::manifest
