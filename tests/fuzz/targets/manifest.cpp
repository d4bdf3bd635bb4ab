// Manifests of every kind: read and checked, then written again as the next tool in a pipe would.
#include "manifest/manifest.h"
#include "fuzz/target.h"

namespace selfsight::fuzz {
namespace {

template <class M>
void round_trip(const manifest::Document& document) {
  if (document.kind != M::kind) return;
  attempt([&] {
    const auto read = manifest::from_json<M>(document.json, document.folder, document.origin);
    const manifest::Json relative = to_json(read, document.folder), absolute = to_json(read, "");
    touch(bytes_of(relative.dump(-1, ' ', false, manifest::Json::error_handler_t::replace)));
    manifest::from_json<M>(absolute, "/", "<second reading>");
    manifest::input_entry(document.kind, document.origin, relative);
  });
}

}  // namespace

void try_input(Bytes bytes) {
  const fs::path file = file_of("manifest.json", bytes);
  attempt([&] {
    const manifest::Document document = manifest::read_document(file.string());
    round_trip<manifest::Dataset>(document);
    round_trip<manifest::Model>(document);
    round_trip<manifest::Features>(document);
    round_trip<manifest::Plan>(document);
    round_trip<manifest::Predictions>(document);
    round_trip<manifest::Metrics>(document);
  });
}

}  // namespace selfsight::fuzz
