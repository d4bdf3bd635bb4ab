#include "core/targets.h"

#include "unit/support.h"

#include <unistd.h>

using namespace selfsight;
using namespace selfsight::core;
using selfsight::test::contains;
using selfsight::test::error_of;

TEST_CASE("what is new or ours may be written; anything else needs force, and some things are never replaced") {
  const test::Folder folder;
  const auto ours = [](const fs::path& path) { return starts_with(path, "mark"); };
  const auto refuse = [&](const fs::path& path, bool force) { refuse_foreign(path, force, "a thing", ours); };
  test::write_plainly(folder / "ours", "marked");
  test::write_plainly(folder / "foreign", "my thesis");
  test::write_plainly(folder / "short", "mar");
  test::write_plainly(folder / "empty", "");
  fs::create_symlink(folder / "foreign", folder / "link");
  refuse(folder / "new", false);
  refuse(folder / "no/such/folder/new", false);
  refuse(folder / "ours", false);
  for (const char* name : {"foreign", "short", "empty", "link"}) {
    CAPTURE(name);
    const std::string message = error_of(Exit::cannot_create, [&] { refuse(folder / name, false); });
    CHECK(contains(message, (folder / name).string() + ": exists and is not a thing that selfsight wrote"));
    CHECK(contains(message, "--force"));
    refuse(folder / name, true);
  }
  CHECK(contains(error_of(Exit::cannot_create, [&] { refuse(folder.path(), true); }), "is a folder"));
  CHECK(contains(error_of(Exit::cannot_create, [&] { refuse("/dev/null", true); }), "is no regular file"));
  if (::geteuid() != 0) {  // root reads everything
    fs::permissions(folder / "ours", fs::perms::none);
    error_of(Exit::cannot_create, [&] { refuse(folder / "ours", false); });
  }
}

TEST_CASE("a file whose folders cannot be made is refused before the work") {
  const test::Folder folder;
  test::write_plainly(folder / "file", "text");
  const auto refuse = [&](const fs::path& path) { refuse_foreign(path, true, "a thing", [](const fs::path&) { return true; }); };
  CHECK(contains(error_of(Exit::cannot_create, [&] { refuse(folder / "file/new"); }), "file is no folder"));
  CHECK(contains(error_of(Exit::cannot_create, [&] { refuse(folder / "file/a/b/new"); }), "file is no folder"));
  if (::geteuid() != 0) {
    fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
    error_of(Exit::cannot_create, [&] { refuse(folder / "a/new"); });
  }
}
