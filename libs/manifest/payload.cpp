#include "manifest/payload.h"

#include "core/digest.h"
#include "core/error.h"

namespace selfsight::manifest {

fs::path checked_payload(const File& file, const std::string& what, const std::string& origin) {
  std::error_code error;
  if (!fs::is_regular_file(file.path, error))
    core::fail(core::Exit::no_input, "{}: the {} that {} names is missing", file.path.string(), what, origin);
  if (file.digest.empty()) return file.path;
  if (const std::string actual = core::digest_of_file(file.path); actual != file.digest)
    core::fail(core::Exit::bad_data,
               "{}: the {} is not the one that {} names ({} there, {} found): make the manifest again or put the file back",
               file.path.string(), what, origin, file.digest, actual);
  return file.path;
}

}  // namespace selfsight::manifest
