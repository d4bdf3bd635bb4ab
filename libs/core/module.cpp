#include "core/module.h"

#include "core/error.h"

#include <dlfcn.h>

#include <filesystem>

namespace selfsight::core {

void* open_module(const std::string& file, const char* symbol, const std::string& purpose) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  std::string tried;
  for (const fs::path& folder : {program / ".." / "lib", program, fs::path(SELFSIGHT_MODULE_FOLDER)}) {
    const fs::path path = folder / file;
    if (void* module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
      if (void* found = dlsym(module, symbol)) return found;
    }
    const char* why = dlerror();
    tried += fmt::format("\n  {}", why == nullptr ? path.string() : why);
  }
  fail(Exit::internal, "the module for {} cannot be loaded:{}", purpose, tried);
}

}  // namespace selfsight::core
