// JPEG: the marks that are read by ourselves, and decoding whole and in part.
#include "data/jpeg.h"

#include "fuzz/target.h"

namespace selfsight::fuzz {

void try_input(Bytes bytes) {
  if (!data::is_jpeg(bytes)) return;
  const data::JpegMarks marks = data::jpeg_marks(bytes);
  if (marks.orientation < 1 || marks.orientation > 8) std::abort();
  // Large pictures are slow here for no fault of the reader.
  constexpr std::int64_t most = 1 << 20;
  if (marks.height * marks.width > most) return;
  data::Stored stored;
  stored.bytes = bytes;
  data::Image image;
  attempt([&] {
    data::decode_into(stored, 3, "picture", image);
    touch(std::span(image.pixels));
    if (const auto size = data::size_before_decoding(stored); size && (size->height != image.height || size->width != image.width))
      std::abort();
  });
  const std::int64_t h = marks.height, w = marks.width;
  if (h == 0 || w == 0) return;  // parts are asked for where the size is known beforehand
  attempt([&] {
    const data::Part part = data::decode_part(stored, 1, "picture", {{w / 4, h / 4, (w + 1) / 2, (h + 1) / 2}, 2}, image);
    touch(std::span(image.pixels));
    if (part.box.x + part.box.width > w || part.box.y + part.box.height > h) std::abort();
  });
}

}  // namespace selfsight::fuzz
