#include "metrics/classification.h"

#include "core/error.h"

#include <doctest/doctest.h>

using namespace selfsight;
using Classes = std::vector<std::int64_t>;

TEST_CASE("accuracy and confusion agree with a count by hand") {
  const Classes labels{0, 0, 0, 1, 1, 3}, predictions{0, 1, 0, 1, 0, 3};
  CHECK(metrics::accuracy(predictions, labels) == doctest::Approx(4.0 / 6));
  const metrics::Confusion c = metrics::confusion(predictions, labels, 4);
  CHECK(c.counts == Classes{2, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  const auto per_class = c.per_class();
  CHECK(*per_class[0] == doctest::Approx(2.0 / 3));
  CHECK(*per_class[1] == doctest::Approx(0.5));
  CHECK_FALSE(per_class[2].has_value());
  CHECK(*per_class[3] == 1);
  CHECK_THROWS_AS(metrics::confusion(predictions, labels, 3), core::Error);
  CHECK_THROWS_AS(metrics::accuracy(predictions, Classes{1}), core::Error);
}

TEST_CASE("top-k counts labels among the k highest scores, and a tie is no gift") {
  const std::vector<float> scores{0.1F, 0.7F, 0.2F, /**/ 0.5F, 0.3F, 0.2F, /**/ 1, 1, 1};
  const Classes labels{2, 2, 2};
  CHECK(metrics::top_k(scores, 3, labels, 1) == 0);
  CHECK(metrics::top_k(scores, 3, labels, 2) == doctest::Approx(1.0 / 3));
  CHECK(metrics::top_k(scores, 3, labels, 3) == 1);
  CHECK(metrics::top_k(scores, 3, Classes{1, 0, 0}, 1) == 1);
  CHECK_THROWS_AS(metrics::top_k(scores, 3, Classes{1}, 1), core::Error);
}
