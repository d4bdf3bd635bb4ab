// Payload files as their manifests name them.
#pragma once

#include "manifest/manifest.h"

namespace selfsight::manifest {

/// The payload's path, after making sure that it is there and is what the manifest says. Errors: no_input (missing) and bad_data
/// (other digest), naming the file, `what` it is and the manifest (`origin`).
fs::path checked_payload(const File& file, const std::string& what, const std::string& origin);

}  // namespace selfsight::manifest
