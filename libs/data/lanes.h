// Eight floats at a time. The compiler's vector types do the arithmetic and the comparisons; what they lack, or what compilers make badly
// of them, is here: with AVX2's instructions where they are to be had, else lane by lane with the same results.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace selfsight::data {

inline constexpr int lanes = 8;
using Lanes = float __attribute__((vector_size(4 * lanes)));

inline Lanes all_lanes(float value) { return Lanes{} + value; }

inline Lanes load_lanes(const float* from) {
  Lanes out;
  std::memcpy(&out, from, sizeof out);
  return out;
}

inline void store_lanes(Lanes value, float* to) { std::memcpy(to, &value, sizeof value); }

/// Four floats: a pixel and what comes after it.
using Quad = float __attribute__((vector_size(16)));

inline Quad load_quad(const float* from) {
  Quad out;
  std::memcpy(&out, from, sizeof out);
  return out;
}

inline void store_quad(Quad value, float* to) { std::memcpy(to, &value, sizeof value); }

#if defined __AVX2__ && defined __FMA__

inline Lanes load_lanes(const std::uint8_t* from) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
}

/// Whole numbers of 0..255; what lies behind their point is cut off.
inline void store_lanes(Lanes value, std::uint8_t* to) {
  const __m256i whole = _mm256_cvttps_epi32(value);
  const __m128i shorts = _mm_packus_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(shorts, shorts));
}

/// Eight pixels of three interleaved channels.
inline void load_pixels(const std::uint8_t* rgb, Lanes& r, Lanes& g, Lanes& b) {
  const auto* at = reinterpret_cast<const __m128i*>(rgb);
  // Pixels 0 to 3 begin the lower half; 4 to 7 follow four bytes of pixels 2 and 3 in the upper.
  const __m256i both =
      _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(at)), _mm_loadu_si128(reinterpret_cast<const __m128i*>(rgb + 8)), 1);
  const auto channel = [&](int c) {
    constexpr int none = -1 << 8;
    const __m256i from = _mm256_setr_epi32(0, 3, 6, 9, 4, 7, 10, 13);
    return _mm256_cvtepi32_ps(_mm256_shuffle_epi8(both, _mm256_add_epi32(from, _mm256_set1_epi32(none + c))));
  };
  r = channel(0), g = channel(1), b = channel(2);
}

/// As store_lanes, interleaved.
inline void store_pixels(Lanes r, Lanes g, Lanes b, std::uint8_t* rgb) {
  const __m256i pixels = _mm256_or_si256(
      _mm256_cvttps_epi32(r), _mm256_or_si256(_mm256_slli_epi32(_mm256_cvttps_epi32(g), 8), _mm256_slli_epi32(_mm256_cvttps_epi32(b), 16)));
  const __m256i close = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
  const __m256i packed = _mm256_shuffle_epi8(pixels, close);
  const __m128i low = _mm256_castsi256_si128(packed), high = _mm256_extracti128_si256(packed, 1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rgb), low);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(rgb + 12), high);
  const int last = _mm_extract_epi32(high, 2);
  std::memcpy(rgb + 20, &last, sizeof last);
}

/// a b + c, rounded once.
inline Lanes fused(Lanes a, Lanes b, Lanes c) { return _mm256_fmadd_ps(a, b, c); }
inline Quad fused(Quad a, Quad b, Quad c) { return _mm_fmadd_ps(a, b, c); }
inline Lanes least_of(Lanes a, Lanes b) { return _mm256_min_ps(a, b); }
inline Lanes largest_of(Lanes a, Lanes b) { return _mm256_max_ps(a, b); }
/// Towards zero.
inline Lanes cut_off(Lanes a) { return _mm256_round_ps(a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }

#else

inline Lanes load_lanes(const std::uint8_t* from) {
  Lanes out;
  for (int i = 0; i < lanes; ++i) out[i] = from[i];
  return out;
}
inline void store_lanes(Lanes value, std::uint8_t* to) {
  for (int i = 0; i < lanes; ++i) to[i] = static_cast<std::uint8_t>(static_cast<int>(value[i]));
}
inline void load_pixels(const std::uint8_t* rgb, Lanes& r, Lanes& g, Lanes& b) {
  for (int i = 0; i < lanes; ++i, rgb += 3) r[i] = rgb[0], g[i] = rgb[1], b[i] = rgb[2];
}
inline void store_pixels(Lanes r, Lanes g, Lanes b, std::uint8_t* rgb) {
  const auto whole = [](float value) { return static_cast<std::uint8_t>(static_cast<int>(value)); };
  for (int i = 0; i < lanes; ++i, rgb += 3) rgb[0] = whole(r[i]), rgb[1] = whole(g[i]), rgb[2] = whole(b[i]);
}
inline Lanes fused(Lanes a, Lanes b, Lanes c) {
  for (int i = 0; i < lanes; ++i) c[i] = std::fma(a[i], b[i], c[i]);
  return c;
}
inline Quad fused(Quad a, Quad b, Quad c) {
  for (int i = 0; i < 4; ++i) c[i] = std::fma(a[i], b[i], c[i]);
  return c;
}
inline Lanes least_of(Lanes a, Lanes b) { return a < b ? a : b; }
inline Lanes largest_of(Lanes a, Lanes b) { return a > b ? a : b; }
inline Lanes cut_off(Lanes a) {
  for (int i = 0; i < lanes; ++i) a[i] = std::trunc(a[i]);
  return a;
}

#endif

/// Into 0..255.
inline Quad clamped(Quad value) {
  const Quad zero = {}, most = zero + 255.0F;
  value = value > zero ? value : zero;
  return value < most ? value : most;
}
inline Lanes clamped(Lanes value) { return least_of(largest_of(value, Lanes{}), all_lanes(255.0F)); }

}  // namespace selfsight::data
