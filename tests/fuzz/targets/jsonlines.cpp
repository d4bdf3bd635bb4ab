// JSON Lines: lists of images, whose pictures are one that lies beside them, tables, and annotations of highlights (truth and predictions
// in one).
#include "fuzz/samples.h"
#include "score/highlight_queries.h"
#include "score/table.h"

namespace selfsight::fuzz {

void try_input(Bytes bytes) {
  static const fs::path picture = file_of("a.ppm", bytes_of("P6\n1 1\n255\nrgb"));
  const fs::path path = file_of("list.jsonl", bytes);
  use_described("jsonl", path);
  attempt([&] { score::Table::read(path); });
  attempt([&] {
    score::HighlightOptions options;
    options.truth = options.predictions = path;
    score::score_queries(options);
  });
}

}  // namespace selfsight::fuzz
