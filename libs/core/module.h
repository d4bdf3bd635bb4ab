// Modules: shared objects of ours that are opened when first needed, because the libraries behind them take longer to load than most of
// our tools run.
#pragma once

#include <string>

namespace selfsight::core {

/// What `file` ("selfsight_codecs.so") exports as `symbol`. It is looked for beside the running program and in the build's folder, and
/// stays open. Error: internal, naming what it is for and every place tried.
void* open_module(const std::string& file, const char* symbol, const std::string& purpose);

}  // namespace selfsight::core
