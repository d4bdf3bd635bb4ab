// What may be overwritten: the rule for every file that a tool writes where its user says.
#pragma once

#include "core/files.h"
#include "core/options.h"

#include <functional>
#include <string>
#include <string_view>

namespace selfsight::core {

/// Adds --force, which sets `force`: one wording for all tools.
void describe_force(Options& options, bool* force);

/// Whether the file begins with `text`: for things that carry a mark of ours. False when it cannot be read.
bool starts_with(const fs::path& file, std::string_view text);

/// A target may be new (folders on the way to it are made when it is written), or a file that this toolkit wrote as the same kind of thing,
/// which a rerun replaces. Anything else is left alone: to be called before the work, not after it. `is_ours` looks at a regular file and
/// must not throw for foreign content; `what` is what it accepts ("a dataset manifest"). Errors: cannot_create, for a folder or device with
/// `force` as well, and for a place where nothing can be written.
void refuse_foreign(const fs::path& path, bool force, const std::string& what, const std::function<bool(const fs::path&)>& is_ours);

}  // namespace selfsight::core
