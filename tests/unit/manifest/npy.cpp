#include "manifest/npy.h"

#include "unit/arrays.h"
#include "unit/support.h"

#include <cstring>

using namespace selfsight;
using test::contains;
using test::error_of;
using test::npy;
using test::npy_header;

TEST_CASE("shapes, types and values are read, whatever the version") {
  const test::Folder folder;
  std::vector<float> values{1, -2.5F, 3, 4, 5, 6};
  const std::string data(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  for (const int version : {1, 2, 3}) {
    test::write_plainly(folder / "a.npy", npy(npy_header("<f4", "2, 3"), data, version));
    const manifest::Npy file(folder / "a.npy");
    CHECK(file.tensor().dtype == "F32");
    CHECK(file.tensor().shape == std::vector<std::int64_t>{2, 3});
    float second = 0;
    std::memcpy(&second, file.tensor().bytes.data() + 4, 4);
    CHECK(second == -2.5F);
  }
  test::write_plainly(folder / "a.npy", npy(npy_header("<i8", "3,", "True"), std::string(24, '\1')));
  CHECK(manifest::Npy(folder / "a.npy").tensor().shape == std::vector<std::int64_t>{3});
  test::write_plainly(folder / "a.npy", npy(npy_header("<f8", ""), std::string(8, '\0')));
  CHECK(manifest::Npy(folder / "a.npy").tensor().elements() == 1);
  test::write_plainly(folder / "a.npy", npy(npy_header("|u1", "0, 7"), ""));
  CHECK(manifest::Npy(folder / "a.npy").tensor().elements() == 0);
}

TEST_CASE("what cannot be read is refused by name") {
  const test::Folder folder;
  const auto refused = [&](const std::string& content, const std::string& part) {
    test::write_plainly(folder / "bad.npy", content);
    const std::string message = error_of(core::Exit::bad_data, [&] { const manifest::Npy file(folder / "bad.npy"); });
    CHECK(contains(message, "bad.npy"));
    CHECK(contains(message, part));
  };
  refused("", "is empty");
  refused("PK\3\4......", "is an archive of arrays");
  refused("\x93NUMPX\1......", "not a .npy");
  refused(npy(npy_header("<f4", "2"), "12345678").replace(6, 1, "\7"), "version 7");
  refused(npy(npy_header("<f4", "2"), "12345678").substr(0, 40), "cut off");
  refused(npy(npy_header("<f4", "2"), "1234567"), "8 bytes, 7 follow");
  refused(npy(npy_header("<f4", "2"), "123456789"), "8 bytes, 9 follow");
  refused(npy(npy_header(">f4", "2"), "12345678"), "'>f4'");
  refused(npy(npy_header("|O", "2"), "12345678"), "'|O'");
  refused(npy(npy_header("<f4", "1, 2", "True"), "12345678"), "Fortran");
  refused(npy(npy_header("<f4", "2, x"), "12345678"), "whole numbers");
  refused(npy(npy_header("<f4", "4000000000, 4000000000"), ""), "too large");
  refused(npy(npy_header("<f4", "-1"), ""), "whole numbers");
  refused(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "1234"), "structures");
  refused(npy("{'descr': '<f4', 'shape': (1,), }", "1234"), "lacks");
  error_of(core::Exit::no_input, [&] { const manifest::Npy file(folder / "none.npy"); });
}
