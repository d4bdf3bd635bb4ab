#include "score/table.h"

#include "unit/support.h"

using namespace selfsight;
using score::Table;
using test::contains;
using test::error_of;

namespace {

Table table_of(const test::Folder& folder, const std::string& name, const std::string& content,
               const std::vector<std::string>& columns = {}) {
  test::write_plainly(folder / name, content);
  return Table::read(folder / name, columns);
}

}  // namespace

TEST_CASE("CSV with quotes, doubled quotes, line breaks in fields, CRLF, a byte order mark, and three separators") {
  const test::Folder folder;
  const Table a = table_of(folder, "a.csv", "\xEF\xBB\xBFname,score\r\n\"x, \"\"y\"\"\n z\",1.5\r\nplain,-2e3\n\n");
  REQUIRE(a.size() == 2);
  CHECK(a.text(0, "name") == "x, \"y\"\n z");
  CHECK(a.number(0, "score") == 1.5);
  CHECK(a.number(1, "score") == -2000);
  CHECK(contains(a.place(1), "a.csv:4"));
  CHECK(table_of(folder, "b.csv", "key;video_id\nret0;video7\n").text(0, "video_id") == "video7");
  CHECK(table_of(folder, "c.csv", "a\tb\n1\t2").integer(0, "b") == 2);
  CHECK(table_of(folder, "d.csv", "one,two\n", {"x", "y"}).text(0, "y") == "two");
  CHECK(a.column({"title", "score", "name"}) == "score");
  CHECK(a.column({"title"}).empty());
}

TEST_CASE("JSON Lines and plain lists") {
  const test::Folder folder;
  const Table a = table_of(folder, "a.jsonl", "{\"id\": 7, \"name\": \"x\"}\n\n{\"id\": -1, \"name\": \"y\"}\n");
  REQUIRE(a.size() == 2);
  CHECK(a.integer(1, "id") == -1);
  CHECK(contains(a.place(1), "a.jsonl:3"));
  const Table b = table_of(folder, "b.txt", "one, with comma\r\ntwo\n", {"path"});
  CHECK(b.size() == 2);
  CHECK(b.text(0, "path") == "one, with comma");
}

TEST_CASE("what is wrong is named with file and line") {
  const test::Folder folder;
  const auto refused = [&](const std::string& name, const std::string& content, const std::string& part) {
    CHECK(contains(error_of(core::Exit::bad_data, [&] { table_of(folder, name, content); }), part));
  };
  refused("a.csv", "x,y\n1,2\n3\n", "a.csv:3: 1 fields where 2 are expected (x, y)");
  refused("a.csv", "x,y\n1,\"2\n3,4\n", "a.csv:2: a quote does not end");
  refused("a.jsonl", "{\"a\": 1}\n[2]\n", "a.jsonl:2");
  refused("a.jsonl", "{\"a\": 1}\n{\"b\": 1}\n", "a.jsonl:2: lacks \"a\"");
  refused("a.jsonl", "{\"a\": 1}\n{\"a\": 1, \"b\": 1}\n", "a.jsonl:2");
  const Table t = table_of(folder, "n.csv", "x,y\n1.5,nan\n,2\n1e999,z\n");
  CHECK(contains(error_of(core::Exit::bad_data, [&] { (void)t.integer(0, "x"); }), "n.csv:2: x '1.5' is not a whole number"));
  CHECK(contains(error_of(core::Exit::bad_data, [&] { (void)t.number(0, "y"); }), "not a finite number"));
  CHECK(contains(error_of(core::Exit::bad_data, [&] { (void)t.number(1, "x"); }), "n.csv:3"));
  CHECK(contains(error_of(core::Exit::bad_data, [&] { (void)t.number(2, "x"); }), "n.csv:4"));
  CHECK(contains(error_of(core::Exit::bad_data, [&] { (void)t.text(0, "q"); }), "no column 'q' (it has x, y)"));
  error_of(core::Exit::no_input, [&] { (void)Table::read(folder / "none.csv"); });
}

TEST_CASE("empty files, headings that are none, numbers that JSON has not, a byte order mark") {
  const test::Folder folder;
  const auto refusal = [&](const std::string& name, const std::string& content) {
    return error_of(core::Exit::bad_data, [&] { (void)table_of(folder, name, content).text(0, "identity"); });
  };
  for (const char* name : {"a.csv", "a.jsonl"}) {
    CHECK(contains(refusal(name, ""), std::string(name) + ": is empty"));
    CHECK(contains(refusal(name, " \n\n"), std::string(name) + ": is empty"));
  }
  CHECK(contains(refusal("a.csv", "1,2\n3,4\n"), "has no column 'identity' (the first line must name the columns, and is 1, 2)"));
  CHECK(contains(refusal("a.csv", "id,2\n3,4\n"), "(the first line must name"));
  CHECK(contains(refusal("a.csv", "id,camera\n3,4\n"), "(it has id, camera)"));
  CHECK(contains(refusal("a.jsonl", "{\"a\": 1}\n\n{\"a\": -Infinity}\n"), "a.jsonl:3: is not JSON: Infinity at byte 8"));
  CHECK(contains(refusal("a.jsonl", "{\"a\": 1,}\n"), "a.jsonl:1: is not JSON: fault at byte 9"));
  CHECK(table_of(folder, "b.jsonl", "\xEF\xBB\xBF{\"a\": 1}\n").integer(0, "a") == 1);
}
