#include "report/html.h"

#include "core/error.h"
#include "report/svg.h"

#include <doctest/doctest.h>

#include <string>

using namespace selfsight;
using namespace selfsight::report;

namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }
const std::string hostile = "</title><script>alert(1)</script><img src=x onerror='a()'>\" &amp;";

/// No tag that the hostile text asks for.
void check_harmless(const std::string& html) {
  CHECK(html.find("<script>alert") == std::string::npos);
  CHECK(html.find("<img src=x") == std::string::npos);
  CHECK(html.find("onerror='") == std::string::npos);
}

}  // namespace

TEST_CASE("escaping leaves nothing that HTML reads as markup") {
  CHECK(escape("a<b>&\"'c") == "a&lt;b&gt;&amp;&quot;&#39;c");
  CHECK(escape(std::string("x\0y", 3)) == "x\xEF\xBF\xBDy");
  CHECK(escape("Größe ✓\n") == "Größe ✓\n");
}

TEST_CASE("base64 agrees with RFC 4648, section 10") {
  const std::pair<const char*, const char*> vectors[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) CHECK(base64(bytes_of(plain)) == encoded);
  CHECK(base64(bytes_of("\xFF\xFE\xFD")) == "//79");
}

TEST_CASE("pictures are told by their first bytes") {
  CHECK(image_uri(bytes_of("\x89PNG\r\n\x1a\n..."), "a").starts_with("data:image/png;base64,iVBOR"));
  CHECK(image_uri(bytes_of("\xFF\xD8\xFF\xE0...."), "a").starts_with("data:image/jpeg;base64,/9j"));
  CHECK_THROWS_WITH_AS(image_uri(bytes_of("GIF89a"), "views.gif"), "views.gif: neither a PNG nor a JPEG picture", core::Error);
}

TEST_CASE("a table aligns numbers, marks the best and puts the protocol under the title") {
  const std::string html =
      draw(Table{{{"method", "", false}, {"top-1", "k 20 <b>", true}}, {{{"a"}, {"75.1", true}}, {{"b"}, {"68.8"}}}, "caption"});
  CHECK(html.find("<th scope=\"col\" class=\"num\">top-1<small>k 20 &lt;b&gt;</small></th>") != std::string::npos);
  CHECK(html.find("<td class=\"num\"><strong>75.1</strong></td>") != std::string::npos);
  CHECK(html.find("<td class=\"num\">68.8</td>") != std::string::npos);
}

TEST_CASE("a page is marked as ours, loads nothing, and admits only its own script") {
  const std::string html = draw(Page{hostile, hostile, "", {{"one", hostile, hostile, "<p>body</p>"}}, hostile});
  CHECK(html.starts_with(page_marker));
  CHECK(html.find("default-src 'none'") != std::string::npos);
  CHECK(html.find("script-src 'sha256-") != std::string::npos);
  CHECK(html.find("http://") == std::string::npos);
  CHECK(html.find("https://") == std::string::npos);
  CHECK(html.find("<section id=\"one\">") != std::string::npos);
  check_harmless(html);
}

TEST_CASE("hostile names do no harm in any chart") {
  LineChart lines{hostile, hostile, hostile, hostile};
  lines.series = {{hostile, {0, 1}, {1, 2}}, {hostile, {0, 1}, {2, 3}}};
  lines.guides = {{hostile, 1.5}};
  check_harmless(draw(lines));
  check_harmless(draw(BarChart{hostile, hostile, hostile, {{hostile, 1, 0.2, {1.1}, hostile, 3}}}));
  check_harmless(draw(IntervalChart{hostile, hostile, hostile, {{hostile, 1, 0.5, 1.5, {1}, hostile, 2}}}));
  ScatterChart map{hostile, hostile, {hostile}};
  map.points = {{0, 0, 0, hostile}, {1, 1, -1, hostile}};
  map.images = {{0, "data:image/png;base64,AAAA"}};
  check_harmless(draw(map));
}
