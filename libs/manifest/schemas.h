// The JSON Schemas as compiled in.
#pragma once

#include <map>
#include <string>

namespace selfsight::manifest {

/// Kind of manifest to the text of its schema (draft 7).
const std::map<std::string, const char*>& schema_texts();

}  // namespace selfsight::manifest
