// In place of the module behind data/codecs.h, whose libraries are other people's: no format is known here.
#include "data/codecs.h"

extern "C" const char* selfsight_decode_other(const void* /*bytes*/, std::size_t /*size*/, void* /*context*/,
                                              unsigned char* (* /*make*/)(void*, std::int64_t, std::int64_t, std::int64_t)) {
  return "not an image in a known format, or damaged";
}
