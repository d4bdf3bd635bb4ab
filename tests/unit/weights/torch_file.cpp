// Files of torch.save, old and new: what tests/parity/weights/make_torch.py wrote comes back number by number, and nothing that a file says
// makes the reader call, allocate or look beyond its bytes.
#include "weights/torch_file.h"

#include "core/error.h"
#include "core/rng.h"
#include "unit/support.h"
#include "weights/pickle.h"
#include "weights/zip.h"

#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <cstring>

using namespace selfsight;
using weights::Foreign;
using weights::TorchFile;

namespace {

const std::string folder = SELFSIGHT_TEST_DATA "/parity/weights/";

// The values of a tensor as doubles.
std::vector<double> numbers(const manifest::TensorView& view) {
  std::vector<double> out;
  const auto size = static_cast<std::size_t>(manifest::dtype_size(view.dtype));
  for (std::size_t i = 0; i < static_cast<std::size_t>(view.elements()); ++i) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, view.bytes.data() + i * size, size);
    const auto as = [&](auto kind) {
      std::memcpy(&kind, &bits, sizeof kind);
      return static_cast<double>(kind);
    };
    if (view.dtype == "F64") {
      out.push_back(as(double{}));
    } else if (view.dtype == "F32") {
      out.push_back(as(float{}));
    } else if (view.dtype == "BF16") {
      bits <<= 16;
      out.push_back(as(float{}));
    } else if (view.dtype == "F16") {
      const int exponent = static_cast<int>(bits >> 10 & 31);
      const double value = std::ldexp(1.0 + static_cast<double>(bits & 1023) / 1024, exponent - 15);
      out.push_back((bits & 0x8000) != 0 ? -value : value);
    } else {
      out.push_back(as(std::int64_t{}));
    }
  }
  return out;
}

std::string file_of(const test::Folder& where, const std::string& name, const std::string& content) {
  test::write_plainly(where / name, content);
  return (where / name).string();
}

std::map<std::string, manifest::TensorView> rows_of(TorchFile& file) {
  std::map<std::string, manifest::TensorView> out;
  for (const auto& [key, tensor] : file.tensors()) out.emplace(key, file.row_by_row(key));
  return out;
}

std::string refusal(const std::string& path, Foreign foreign = Foreign::refuse) {
  try {
    TorchFile file(path, foreign);
    CHECK(rows_of(file).size() == file.tensors().size());
  } catch (const core::Error& error) {
    CHECK(error.exit() == core::Exit::bad_data);
    return error.what();
  }
  return "";
}

std::string text_of(const std::string& path) {
  const auto bytes = core::read_bytes(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

weights::Pickle pickled(const std::string& text) { return weights::read_pickle(std::as_bytes(std::span(text)), "it"); }

}  // namespace

TEST_CASE("every tensor of both formats comes back: kinds, parts of shared storages, strides, repetition") {
  const auto told = nlohmann::json::parse(core::read_text(folder + "torch.json"));
  for (const std::string name : {"zip.pth", "legacy.pth"}) {
    CAPTURE(name);
    TorchFile file(folder + name);
    const auto rows = rows_of(file);
    CHECK(rows.size() == told.size());
    for (const auto& [key, expected] : told.items()) {
      CAPTURE(key);
      REQUIRE(rows.contains(key));
      const manifest::TensorView& view = rows.at(key);
      CHECK(view.shape == expected["shape"].get<std::vector<std::int64_t>>());
      CHECK(numbers(view) == expected["values"].get<std::vector<double>>());
    }
    CHECK(rows.at("state_dict.module.mask").dtype == "BOOL");
    CHECK(rows.at("state_dict.module.bytes").dtype == "U8");
    CHECK(file.tensors().at("state_dict.module.transposed").contiguous() == false);
    CHECK(file.left_out().empty());
  }
}

TEST_CASE("objects of classes are refused by name and place, or left out when that is asked for") {
  CHECK(refusal(folder + "namespace.pth").find("'args': an object of argparse.Namespace") != std::string::npos);
  const TorchFile file(folder + "namespace.pth", Foreign::leave_out);
  CHECK(file.tensors().contains("model.w"));
  CHECK(file.left_out() == std::map<std::string, std::string>{{"argparse.Namespace", "args"}});
}

TEST_CASE("a pickle that would run a command is data") {
  // cposix\nsystem\n(S'touch hacked'\ntR.
  const weights::Pickle evil = pickled("cposix\nsystem\n(S'touch hacked'\ntR.");
  CHECK(evil.at(evil.root).kind == weights::PickleValue::Kind::call);
  CHECK(evil.at(evil.at(evil.root).items[0]).text == "posix.system");
}

TEST_CASE("pickles of every protocol: numbers, texts, containers") {
  using Kind = weights::PickleValue::Kind;
  const auto integer = [](const std::string& text) {
    const weights::Pickle one = pickled(text);
    CHECK(one.at(one.root).kind == Kind::integer);
    return one.at(one.root).integer;
  };
  CHECK(integer("I-12\n.") == -12);
  CHECK(integer("L34L\n.") == 34);
  CHECK(integer(std::string("\x80\x02J\xff\xff\xff\xff.", 8)) == -1);
  CHECK(integer(std::string("\x80\x02\x8a\x02\x00\xff.", 7)) == -256);
  CHECK(integer(std::string("\x80\x02\x8a\x00.", 5)) == 0);
  const weights::Pickle dict = pickled("(dp0\nS'a'\np1\nI1\nsg1\nF2.5\ns.");
  CHECK(dict.at(dict.root).items.size() == 4);
  CHECK(dict.find(dict.at(dict.root), "a")->integer == 1);
  CHECK(pickled("I01\n.").values[0].kind == Kind::boolean);
}

TEST_CASE("damaged pickles are refused where they break, whatever they claim") {
  const auto fault = [](const std::string& text) -> std::string {
    try {
      pickled(text);
    } catch (const core::Error& error) {
      CHECK(error.exit() == core::Exit::bad_data);
      return error.what();
    }
    return "";
  };
  CHECK(fault("").find("byte 0") != std::string::npos);
  CHECK(fault("]").find("bytes are to follow") != std::string::npos);
  CHECK(fault("X\xff\xff\xff\xff.").find("4294967295 bytes are to follow") != std::string::npos);
  CHECK(fault(".").find("the stack is empty") != std::string::npos);
  CHECK(fault("a.").find("the stack is empty") != std::string::npos);
  CHECK(fault("(N0.").find("the stack is empty") != std::string::npos);
  CHECK(fault("t.").find("no mark") != std::string::npos);
  CHECK(fault("h\x05.").find("remembered") != std::string::npos);
  CHECK(fault("\xff.").find("unknown opcode 0xff") != std::string::npos);
  CHECK(fault("\x80\x09.").find("protocol 9") != std::string::npos);
  CHECK(fault("(I1\nd.").find("a key without a value") != std::string::npos);
  CHECK(fault("Ix\n.").find("'x'") != std::string::npos);
  CHECK(fault("I1").find("a line without an end") != std::string::npos);
  CHECK(fault("I1\nI2\nR.").find("a call") != std::string::npos);
  std::string deep(1 << 20, '(');  // a million lists in one another
  deep += std::string(1 << 20, 'l') + ".";
  CHECK(pickled(deep).values.size() == 1 << 20);
}

TEST_CASE("files that are cut, bent, or of another kind are refused by name") {
  const test::Folder where;
  const std::string zip = text_of(folder + "zip.pth"), legacy = text_of(folder + "legacy.pth");
  for (const std::string& whole : {zip, legacy})
    for (std::size_t i = 1; i < 40; ++i) {
      const std::string cut = file_of(where, "cut.pth", whole.substr(0, whole.size() * i / 40));
      CAPTURE(i);
      CHECK(refusal(cut).starts_with(cut));
    }
  CHECK(refusal(file_of(where, "empty.pth", "")).find("is empty") != std::string::npos);
  CHECK(refusal(file_of(where, "page.pth", "<html>404</html>")).find("no file of torch.save") != std::string::npos);
  // Every byte bent in turn: refused, or read, and never anything else.
  core::Rng rng(3, core::Stream::test);
  for (const std::string& whole : {zip, legacy})
    for (int trial = 0; trial < 400; ++trial) {
      std::string bent = whole;
      for (int k = 0; k < 3; ++k) bent[rng.below(bent.size())] = static_cast<char>(rng.below(256));
      refusal(file_of(where, "bent.pth", bent));
    }
}

TEST_CASE("tensors that lie about their size are refused before anything is allocated") {
  const test::Folder where;
  const std::string storage = "(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI2\ntQ";
  // Of the older format: mark, protocol, machine, then this object, and one storage of two floats.
  const auto with = [&](const std::string& tensor) {
    const std::string mark("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
    std::string text = mark + "I1001\n.(d." + "(dS'w'\nctorch._utils\n_rebuild_tensor_v2\n(" + storage + tensor + "tRs." + "(S'0'\nl.";
    const std::uint64_t count = 2;
    text.append(reinterpret_cast<const char*>(&count), 8);
    const std::array<float, 2> values = {1, 2};
    text.append(reinterpret_cast<const char*>(values.data()), sizeof values);
    return file_of(where, "made.pth", text);
  };
  CHECK(refusal(with("I0\n(I2\nt(I1\nt")).empty());
  CHECK(TorchFile(with("I1\n(I1\nt(I1\nt")).row_by_row("w").bytes.size() == 4);
  CHECK(refusal(with("I0\n(I2\nI1\nt(I1\nI9223372036854775807\nt")).empty());  // a side of one is never stepped along
  const std::string beyond("(\x8a\x09\x02\0\0\0\0\0\0\0\x01t", 13);            // 2^64 + 2
  CHECK(refusal(with("I0\n" + beyond + "(I1\nt")).find("shape") != std::string::npos);
  CHECK(refusal(with("I0\n(I3\nt(I1\nt")).find("'w': a tensor that reaches beyond its storage") != std::string::npos);
  CHECK(refusal(with("I2\n(I1\nt(I1\nt")).find("beyond its storage") != std::string::npos);
  CHECK(refusal(with("I0\n(I2\nt(I4611686018427387904\nt")).find("larger than any file") != std::string::npos);
  CHECK(refusal(with("I0\n(I4611686018427387904\nI4611686018427387904\nt(I0\nI0\nt")).find("larger than any file") != std::string::npos);
  CHECK(refusal(with("I0\n(I1000000\nt(I0\nt")).find("a thousand times its storage") != std::string::npos);
  CHECK(refusal(with("I0\n(I-2\nt(I1\nt")).find("shape") != std::string::npos);
  // Two thousand tensors, each a thousand times the storage that they share.
  const std::string one = "I0\n(I3000\nt(I0\nt";
  std::string many = one;
  for (int i = 0; i < 2000; ++i) many += fmt::format("tRsS'{}'\nctorch._utils\n_rebuild_tensor_v2\n({}{}", i, storage, one);
  CHECK(refusal(with(one)).empty());
  CHECK(refusal(with(many)).find("together far larger than the file") != std::string::npos);
  CHECK(refusal(with("I0\n(I2\nI1\nt(I1\nt")).find("strides") != std::string::npos);
  CHECK(refusal(with("I0\n(I2\nt")).find("too few parts") != std::string::npos);
}

TEST_CASE("objects whose content is themselves end, and so does a long chain of them") {
  const test::Folder where;
  const std::string start = std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15) + "I1001\n.(d.";
  const auto file = [&](const std::string& object) { return file_of(where, "made.pth", start + object + ".(l."); };
  const std::string dict = "ccollections\nOrderedDict\n(tR";
  CHECK(refusal(file(dict + std::string("q\0h\0b", 5))).find("without end") != std::string::npos);
  CHECK(refusal(file("]q\x01"
                     "cbuiltins\nset\nh\x01Rq\x02h\x01h\x02"
                     "a0h\x02"))
            .find("without end") != std::string::npos);
  std::string chain;
  constexpr int length = 200'000;
  for (int i = 0; i < length; ++i) chain += dict;
  CHECK(refusal(file(chain + std::string(length - 1, 'b'))).empty());
}

TEST_CASE("many values below a long key take no more memory than the file is large") {
  const test::Folder where;
  const std::string start = std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15) + "I1001\n.(d.";
  const auto below_long_key = [&](const std::string& values) {
    return file_of(where, "made.pth", start + "(dX" + std::string("\xa0\x0f\0\0", 4) + std::string(4000, 'k') + "(" + values + "ls.(l.");
  };
  CHECK(refusal(below_long_key(std::string(100'000, 'N'))).empty());  // an epoch's losses, say
  CHECK(refusal(below_long_key(std::string(100'000, ']'))).find("far longer than the file") != std::string::npos);
}

TEST_CASE("lists that hold each other end") {
  const test::Folder where;
  const std::string mark("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  // ]p0 g0 a: a list in itself; and forty lists of twice the one before.
  CHECK(refusal(file_of(where, "loop.pth", mark + "I1001\n.(d.]p0\ng0\na.(l.")).find("without end") != std::string::npos);
  std::string laughs = "]";
  for (int i = 0; i < 40; ++i)
    laughs += "q" + std::string(1, static_cast<char>(i)) + "(h" + std::string(1, static_cast<char>(i)) + "h" +
              std::string(1, static_cast<char>(i)) + "l";
  // A list of a thousand times itself, and keys that grow at every level.
  std::string wide = "]q\x01(";
  for (int i = 0; i < 1000; ++i) wide += "h\x01";
  CHECK(refusal(file_of(where, "wide.pth", mark + "I1001\n.(d." + wide + "e.(l.")).find("without end") != std::string::npos);
  const std::string key = "X" + std::string("\xb8\x0b\0\0", 4) + std::string(3000, 'k') + "q\x01";
  CHECK(refusal(file_of(where, "keys.pth", mark + "I1001\n.(d.}" + key + "}h\x01]ss.(l.")).find("4,096 letters") != std::string::npos);
  CHECK(refusal(file_of(where, "laughs.pth", mark + "I1001\n.(d." + laughs + ".(l.")).find("without end") != std::string::npos);
}
