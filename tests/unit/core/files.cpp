#include "core/files.h"

#include "core/digest.h"
#include "core/folder_lock.h"
#include "core/rng.h"
#include "unit/support.h"

#include <zlib.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <csignal>
#include <cstring>

using namespace selfsight;
using namespace selfsight::core;
using selfsight::test::contains;
using selfsight::test::error_of;
using selfsight::test::Folder;

namespace {

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto span = std::as_bytes(std::span(text));
  return {span.begin(), span.end()};
}

std::vector<std::byte> gzip(const std::string& text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::vector<std::byte> out(deflateBound(&stream, text.size()) + 64);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// The number of a process that has ended.
pid_t a_dead_process() {
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ::waitpid(dead, nullptr, 0);
  return dead;
}

std::string text_of(const std::vector<std::byte>& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// Exit code of `action` in a child process that may write files of at most `limit` bytes or, without a limit, is not root.
template <class Action>
int in_restricted_child(rlim_t limit, const Action& action) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit file_size{limit, limit};
    ::setrlimit(RLIMIT_FSIZE, &file_size);
    if (limit == RLIM_INFINITY && ::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(99);
    try {
      action();
    } catch (const Error& error) {
      ::_exit(static_cast<int>(error.exit()));
    }
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("files are read whole, and what cannot be read is named") {
  const Folder folder;
  const std::string big(100000, 'x');
  write_atomically(folder / "big", std::string_view(big));
  CHECK(read_text(folder / "big") == big);
  CHECK(read_bytes(folder / "big").size() == big.size());
  write_atomically(folder / "empty", std::string_view(""));
  CHECK(read_text(folder / "empty").empty());
  CHECK(MappedFile(folder / "empty").bytes().empty());
  CHECK(read_text("/proc/self/stat").size() > 10);  // a file that claims to be empty
  const std::string missing = (folder / "missing").string();
  CHECK(error_of(Exit::no_input, [&] { read_text(missing); }) == missing + ": No such file or directory");
  error_of(Exit::no_input, [&] { read_bytes(folder.path()); });
  error_of(Exit::no_input, [&] { MappedFile map(missing); });
  CHECK(contains(error_of(Exit::no_input, [&] { MappedFile map(folder.path()); }), "is a folder"));
}

TEST_CASE("a map moves with its bytes") {
  const Folder folder;
  write_atomically(folder / "a", std::string_view("abc"));
  write_atomically(folder / "b", std::string_view("defg"));
  MappedFile a(folder / "a"), b(folder / "b");
  a = std::move(b);
  CHECK(a.bytes().size() == 4);
  const MappedFile c(std::move(a));
  CHECK(static_cast<char>(c.bytes()[0]) == 'd');
}

TEST_CASE("an atomic write makes folders, replaces, and leaves nothing beside") {
  const Folder folder;
  const fs::path file = folder / "a/b/c.txt";
  write_atomically(file, std::string_view("first"));
  write_atomically(file, std::string_view("second"));
  CHECK(read_text(file) == "second");
  write_atomically_from(file, [](const ByteSink& append) {
    append(bytes_of("in "));
    append({});
    append(bytes_of("pieces"));
  });
  CHECK(read_text(file) == "in pieces");
  CHECK(std::distance(fs::directory_iterator(file.parent_path()), fs::directory_iterator()) == 1);
}

TEST_CASE("a write that breaks off leaves the old content and nothing else") {
  const Folder folder;
  const fs::path file = folder / "f";
  write_atomically(file, std::string_view("old"));
  CHECK_THROWS_AS(write_atomically_with(file,
                                        [&](const fs::path& temporary) {
                                          std::FILE* half = std::fopen(temporary.c_str(), "w");
                                          std::fputs("half", half);
                                          std::fclose(half);
                                          throw std::runtime_error("broken off");
                                        }),
                  std::runtime_error);
  CHECK_THROWS_AS(write_atomically_from(file,
                                        [&](const ByteSink& append) {
                                          append(bytes_of("half"));
                                          throw std::runtime_error("broken off");
                                        }),
                  std::runtime_error);
  CHECK(read_text(file) == "old");
  CHECK(folder.entries() == 1);
}

TEST_CASE("outputs that cannot be created are named") {
  const Folder folder;
  write_atomically(folder / "file", std::string_view("x"));
  const std::string below = (folder / "file/below").string();
  CHECK(contains(error_of(Exit::cannot_create, [&] { write_atomically(below, std::string_view("y")); }), (folder / "file").string()));
  CHECK(contains(error_of(Exit::cannot_create, [&] { write_atomically(folder.path(), std::string_view("y")); }), "is a folder"));
  error_of(Exit::cannot_create, [&] { make_folder(folder / "file"); });
  error_of(Exit::cannot_create, [&] { write_atomically("/proc/nothing/here", std::string_view("y")); });
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(contains(error_of(Exit::cannot_create, [&] { write_atomically(folder / "pipe", std::string_view("y")); }), "no regular file"));
  CHECK(fs::is_fifo(folder / "pipe"));
  CHECK(read_text(folder / "file") == "x");
}

TEST_CASE("a folder without permission and a full disk end with their codes, and nothing is left") {
  const Folder folder;
  fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_read | fs::perms::others_exec);
  CHECK(in_restricted_child(RLIM_INFINITY, [&] { write_atomically(folder / "new", std::string_view("x")); }) == 73);
  CHECK(in_restricted_child(RLIM_INFINITY, [&] { make_folder(folder / "new/er"); }) == 73);
  fs::permissions(folder.path(), fs::perms::all);
  CHECK(folder.entries() == 0);
  const std::string big(1 << 20, 'x');
  write_atomically(folder / "kept", std::string_view("old"));
  fs::permissions(folder / "kept", fs::perms::all);
  CHECK(in_restricted_child(4096, [&] { write_atomically(folder / "kept", std::string_view(big)); }) == 74);
  CHECK(in_restricted_child(4096, [&] {
          create_folder_atomically(folder / "sub",
                                   [&](const fs::path& temporary) { write_atomically(temporary / "f", std::string_view(big)); });
        }) == 74);
  CHECK(folder.entries() == 1);
  CHECK(read_text(folder / "kept") == "old");
}

TEST_CASE("a device without space is an I/O error in words") {
  const std::string message = error_of(Exit::io, [&] {
    const test::Redirect full(STDOUT_FILENO, "/dev/full");
    write_stdout("text");
  });
  CHECK(message == "stdout: No space left on device");
  std::clearerr(stdout);
}

TEST_CASE("a reader that has gone is no error") {
  std::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  std::fflush(stdout);
  const int saved = ::dup(STDOUT_FILENO);
  ::dup2(ends[1], STDOUT_FILENO);
  bool thrown = false;
  try {
    write_stdout("nobody reads this");
  } catch (const Error&) {
    thrown = true;
  }
  ::dup2(saved, STDOUT_FILENO);
  ::close(saved);
  ::close(ends[1]);
  std::clearerr(stdout);
  CHECK_FALSE(thrown);
}

TEST_CASE("a folder is made in one step or not at all") {
  const Folder folder;
  create_folder_atomically(folder / "made", [](const fs::path& temporary) {
    write_atomically(temporary / "x/y", std::string_view("z"));
    CHECK(temporary.filename().string().starts_with(".made.selfsight-tmp-"));
  });
  CHECK(read_text(folder / "made/x/y") == "z");
  CHECK(contains(error_of(Exit::cannot_create, [&] { create_folder_atomically(folder / "made", [](const fs::path&) {}); }),
                 "exists already"));
  CHECK_THROWS(create_folder_atomically(folder / "not", [](const fs::path&) { throw std::runtime_error("no"); }));
  CHECK(folder.entries() == 1);
  // What a killed process left of this folder goes, what one left of another stays.
  const pid_t dead = a_dead_process();
  std::string host;
  create_folder_atomically(folder / "name", [&](const fs::path& temporary) {
    const std::string name = temporary.filename().string();
    host = name.substr(name.rfind('-'));
  });
  const auto left = [&](const std::string& of, const std::string& on) {
    const fs::path path = folder / fmt::format(".{}.selfsight-tmp-{}-0{}", of, dead, on);
    make_folder(path);
    return path;
  };
  const auto own = left("next", host), other = left("nex", host), elsewhere = left("next", "-of-another-host");
  create_folder_atomically(folder / "next", [](const fs::path&) {});
  CHECK_FALSE(fs::exists(own));
  CHECK(fs::exists(other));
  CHECK(fs::exists(elsewhere));
}

TEST_CASE("a folder is locked for one process at a time, and free once it is gone") {
  const Folder folder;
  {
    const FolderLock held(folder.path());
    CHECK(contains(error_of(Exit::cannot_create, [&] { FolderLock{folder.path()}; }), fmt::format("process {} on", ::getpid())));
  }
  const pid_t child = ::fork();
  if (child == 0) {
    const FolderLock held(folder.path());
    ::raise(SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WTERMSIG(status) == SIGKILL);
  FolderLock one(folder.path());
  const FolderLock moved = std::move(one);
  CHECK_THROWS_AS(FolderLock{folder.path()}, Error);
  CHECK(contains(error_of(Exit::cannot_create, [&] { FolderLock{folder / "missing"}; }), "missing"));
}

TEST_CASE("a folder's lock for those who cannot write: shared where they cannot write to the folder either, and none where they can") {
  const Folder folder;
  { const FolderLock first(folder.path()); }
  const auto as_another_user = [&] { return in_restricted_child(RLIM_INFINITY, [&] { FolderLock{folder.path()}; }); };
  fs::permissions(folder.path(), fs::perms(0555));
  fs::permissions(folder / ".lock", fs::perms(0444));
  CHECK(as_another_user() == 0);
  {
    const FolderLock held = [&] {
      fs::permissions(folder / ".lock", fs::perms(0644));
      return FolderLock(folder.path());
    }();
    fs::permissions(folder / ".lock", fs::perms(0444));
    CHECK(as_another_user() == 73);
  }
  fs::permissions(folder.path(), fs::perms(0777));
  CHECK(as_another_user() == 73);
  fs::remove(folder / ".lock");
  fs::permissions(folder.path(), fs::perms(0555));
  CHECK(as_another_user() == 0);  // no lock to look at
  fs::permissions(folder.path(), fs::perms(0755));
}

TEST_CASE("leftovers of dead runs are removed, and nothing else") {
  const Folder folder;
  const pid_t dead = a_dead_process();
  const auto name = [](pid_t owner) { return fmt::format(".step-5.selfsight-tmp-{}-0", owner); };
  make_folder(folder / name(dead));
  write_atomically(folder / name(dead) / "half", std::string_view("x"));
  write_atomically(folder / name(1), std::string_view("of a run that goes on"));
  write_atomically(folder / "step-4", std::string_view("x"));
  write_atomically(folder / ".selfsight-tmp-notes", std::string_view("x"));
  remove_leftovers(folder.path());
  CHECK_FALSE(fs::exists(folder / name(dead)));
  CHECK(folder.entries() == 3);
  remove_leftovers(folder / "missing");
}

TEST_CASE("paths: absolute, relative where below, and safe entries") {
  CHECK(absolute_path("/a/b/../c/./") == "/a/c");
  CHECK(absolute_path("/") == "/");
  CHECK(absolute_path("x") == fs::current_path() / "x");
  CHECK(absolute_path("") == fs::current_path());
  CHECK(relative_or_absolute("/a/b/c", "/a") == "b/c");
  CHECK(relative_or_absolute("/a/b/c/", "/a/") == "b/c");
  CHECK(relative_or_absolute("/a/bc", "/a/b") == "/a/bc");
  CHECK(relative_or_absolute("/a", "/a") == ".");
  CHECK(relative_or_absolute("/x", "/a") == "/x");
  CHECK(relative_or_absolute("/a/..b", "/a") == "..b");
  CHECK(safe_entry("a/./b", "x.tar") == "a/b");
  for (const char* evil : {"", "/etc/passwd", "../x", "a/../../x", "a/.."})
    CHECK(contains(error_of(Exit::bad_data, [&] { safe_entry(evil, "x.tar"); }), "x.tar"));
  // To the system, this is "..".
  CHECK(contains(error_of(Exit::bad_data, [] { safe_entry(std::string_view("a/..\0x", 6), "x.tar"); }), "zero byte"));
  CHECK(free_space("/no/such/place") > 0);
}

TEST_CASE("SHA-256 gives the standard's answers") {
  CHECK(digest_of(std::string_view("abc")) == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(digest_of(std::string_view("")) == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Digest().add(std::string_view("a")).add(std::string_view("bc")).finish() == digest_of(std::string_view("abc")));
  const Folder folder;
  write_atomically(folder / "f", std::string_view("abc"));
  CHECK(digest_of_file(folder / "f") == digest_of(std::string_view("abc")));
  error_of(Exit::no_input, [&] { digest_of_file(folder / "missing"); });
}

TEST_CASE("gunzip: whole, in members, damaged, cut off, too large") {
  const std::string text = std::string(3000000, 'a') + "end";
  const auto packed = gzip(text);
  CHECK(is_gzip(packed));
  CHECK_FALSE(is_gzip(bytes_of("x")));
  CHECK(text_of(gunzip(packed, "f")) == text);
  auto two = packed;
  const auto more = gzip("tail");
  two.insert(two.end(), more.begin(), more.end());
  CHECK(text_of(gunzip(two, "f")) == text + "tail");
  CHECK(text_of(gunzip(gzip(""), "f")).empty());
  CHECK(text_of(gunzip(packed, "f", text.size())) == text);
  CHECK(contains(error_of(Exit::bad_data, [&] { gunzip(packed, "f.gz", text.size() - 1); }), "f.gz: unpacks to more than"));
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{5}, std::size_t{10}, packed.size() / 2, packed.size() - 8, packed.size() - 1})
    CHECK(contains(error_of(Exit::bad_data, [&] { gunzip(std::span(packed).first(size), "f.gz"); }), "f.gz: damaged or cut-off"));
  auto trailing = packed;
  trailing.push_back(std::byte{1});
  error_of(Exit::bad_data, [&] { gunzip(trailing, "f.gz"); });
  error_of(Exit::bad_data, [&] { gunzip(bytes_of("not gzip at all"), "f.gz"); });
}

TEST_CASE("gunzip of damaged bytes either works or throws our error") {
  Rng rng(1, Stream::test);
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>('a' + rng.below(20));
  const auto packed = gzip(text);
  int refused = 0;
  for (int i = 0; i < 500; ++i) {
    auto damaged = packed;
    damaged[rng.below(damaged.size())] ^= static_cast<std::byte>(1 + rng.below(255));
    try {
      const std::string got = text_of(gunzip(damaged, "f", 1 << 20));
      CHECK(got == text);  // only bytes of the header mean nothing
    } catch (const Error& error) {
      ++refused;
      CHECK(error.exit() == Exit::bad_data);
    }
  }
  CHECK(refused > 450);
}

TEST_CASE("text comes without the byte order mark that it may begin with, bytes with it") {
  const test::Folder folder;
  test::write_plainly(folder / "marked", "\xEF\xBB\xBFtext\xEF\xBB\xBF");
  CHECK(read_text(folder / "marked") == "text\xEF\xBB\xBF");
  CHECK(read_bytes(folder / "marked").size() == 10);
  CHECK(without_mark("\xEF\xBB").size() == 2);
  CHECK(without_mark("").empty());
}

TEST_CASE("a folder that is needed: missing, or a file") {
  const test::Folder folder;
  test::write_plainly(folder / "file", "text");
  need_folder(folder.path(), "--truth");
  CHECK(error_of(Exit::no_input, [&] { need_folder("/nowhere", "--truth"); }) == "--truth /nowhere: no such folder");
  CHECK(
      test::contains(error_of(Exit::bad_data, [&] { need_folder(folder / "file", "--truth"); }), "is a file, where a folder is expected"));
}
