// The comparison as a Markdown table, for a RESULTS.md: what the page shows as charts, in numbers and with their protocols.
#pragma once

#include "report/page.h"

#include <string>

namespace selfsight::report {

/// A row an arm and a column a number (mean ± standard deviation over runs or draws), then a row "A minus B" for the page's subject
/// against each baseline (mean ± standard error, in bold where its 95 % interval leaves out zero), then what each column was measured by.
/// The first line is a comment that marks it as ours. Errors: usage for an unknown subject or when there are no rows at all.
std::string markdown_table(const Material& material, const ReportOptions& options);
/// Error: cannot_create when `path` holds a file that is no table of ours and `force` is not set.
void refuse_foreign_table(const std::filesystem::path& path, bool force);

}  // namespace selfsight::report
