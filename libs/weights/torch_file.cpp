#include "weights/torch_file.h"

#include "core/error.h"
#include "weights/pickle.h"
#include "weights/zip.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>

namespace selfsight::weights {
namespace {

using Kind = PickleValue::Kind;
using Number = std::uint32_t;

// What the format before ZIP begins with: protocol 2, and a number of ten bytes.
constexpr std::array<unsigned char, 14> legacy_mark = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
constexpr std::int64_t legacy_protocol = 1001;

bool is_legacy(std::span<const std::byte> bytes) {
  return bytes.size() >= legacy_mark.size() && std::memcmp(bytes.data(), legacy_mark.data(), legacy_mark.size()) == 0;
}

/// A tensor type by what follows "torch." in the name of its storage class or of itself; empty for others.
std::string dtype_of(const std::string& name) {
  static const std::map<std::string, std::string> known = {
      {"torch.FloatStorage", "F32"}, {"torch.DoubleStorage", "F64"}, {"torch.HalfStorage", "F16"},   {"torch.BFloat16Storage", "BF16"},
      {"torch.LongStorage", "I64"},  {"torch.IntStorage", "I32"},    {"torch.ShortStorage", "I16"},  {"torch.CharStorage", "I8"},
      {"torch.ByteStorage", "U8"},   {"torch.BoolStorage", "BOOL"},  {"torch.UntypedStorage", "U8"}, {"torch.storage.UntypedStorage", "U8"},
      {"torch.float32", "F32"},      {"torch.float64", "F64"},       {"torch.float16", "F16"},       {"torch.bfloat16", "BF16"},
      {"torch.int64", "I64"},        {"torch.int32", "I32"},         {"torch.int16", "I16"},         {"torch.int8", "I8"},
      {"torch.uint8", "U8"},         {"torch.bool", "BOOL"}};
  const auto found = known.find(name);
  return found == known.end() ? "" : found->second;
}

struct Storage {
  std::string dtype;
  std::span<const std::byte> bytes;
};

/// Goes through a pickle and finds the tensors in it.
class Reader {
 public:
  /// `file_size` in bytes: what may be copied of tensors that do not lie row by row is measured by it.
  Reader(const Pickle& pickle, std::string name, std::uint64_t file_size, Foreign foreign, std::map<std::string, StoredTensor>& tensors,
         std::map<std::string, std::string>& left_out, std::function<std::span<const std::byte>(const std::string& key)> storage)
      : pickle_(pickle),
        name_(std::move(name)),
        foreign_(foreign),
        tensors_(tensors),
        left_out_(left_out),
        storage_(std::move(storage)),
        visits_left_(100 + 16 * pickle.values.size()),
        letters_left_(most_growth * (least_size + pickle.end)),
        copies_left_(most_growth * (least_size + file_size)) {}

  void read() {
    // Depth first without recursion, in the file's order.
    std::vector<std::pair<std::string, Number>> open = {{"", pickle_.root}};
    while (!open.empty()) {
      const auto [key, number] = std::move(open.back());
      open.pop_back();
      std::vector<std::pair<std::string, Number>> inner = inside(key, pickle_.at(number));
      if (inner.size() + 1 > visits_left_) refuse("", "values that hold each other without end");
      visits_left_ -= inner.size() + 1;
      open.insert(open.end(), std::make_move_iterator(inner.rbegin()), std::make_move_iterator(inner.rend()));
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& key, const std::string& what) const {
    core::fail(core::Exit::bad_data, "{}: {}{}", name_, key.empty() ? "" : "'" + key + "': ", what);
  }
  [[nodiscard]] std::string joined(const std::string& key, const std::string& more) {
    constexpr std::size_t longest = 4096;
    const std::size_t letters = key.size() + 1 + more.size();
    if (letters > longest) refuse(key.substr(0, 40) + "...", "a key of more than 4,096 letters");
    if (letters > letters_left_) refuse(key.substr(0, 40) + "...", "keys that are together far longer than the file");
    letters_left_ -= letters;
    return key.empty() ? more : key + "." + more;
  }
  /// Whether tensors may be in it: numbers and texts, of which there may be many, need no keys.
  [[nodiscard]] bool may_hold(Number number) const {
    const Kind kind = pickle_.at(number).kind;
    return kind == Kind::sequence || kind == Kind::mapping || kind == Kind::call;
  }

  std::vector<std::pair<std::string, Number>> inside(const std::string& key, const PickleValue& value) {
    std::vector<std::pair<std::string, Number>> out;
    if (value.kind == Kind::sequence) {
      for (std::size_t i = 0; i < value.items.size(); ++i)
        if (may_hold(value.items[i])) out.emplace_back(joined(key, std::to_string(i)), value.items[i]);
    } else if (value.kind == Kind::mapping) {
      for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
        const PickleValue& name = pickle_.at(value.items[i]);
        if (!may_hold(value.items[i + 1])) continue;
        if (name.kind == Kind::text) out.emplace_back(joined(key, name.text), value.items[i + 1]);
        if (name.kind == Kind::integer) out.emplace_back(joined(key, std::to_string(name.integer)), value.items[i + 1]);
      }
    } else if (value.kind == Kind::call) {
      return called(key, value);
    }
    return out;
  }

  // What is inside goes back to read() and not into a call from here: objects may hold each other, and themselves.
  std::vector<std::pair<std::string, Number>> called(const std::string& key, const PickleValue& call) {
    const PickleValue &function = pickle_.at(call.items[0]), &arguments = pickle_.at(call.items[1]);
    const std::string& name = function.text;
    if (function.kind == Kind::name) {
      if (name.starts_with("torch._utils._rebuild_tensor")) {
        add_tensor(key, arguments, name.ends_with("_v3"));
        return {};
      }
      if (name.starts_with("torch._utils._rebuild_parameter") && !arguments.items.empty()) return {{key, arguments.items[0]}};
      if (name == "torch._tensor._rebuild_from_type_v2" && arguments.items.size() > 2) {
        const PickleValue& inner = pickle_.at(arguments.items[0]);
        if (inner.kind == Kind::name && inner.text.starts_with("torch._utils._rebuild_tensor")) {
          add_tensor(key, pickle_.at(arguments.items[2]), inner.text.ends_with("_v3"));
          return {};
        }
      }
      if (name == "collections.OrderedDict" || name == "collections.defaultdict")
        return call.items.size() > 2 ? std::vector{std::pair{key, call.items[2]}} : std::vector<std::pair<std::string, Number>>{};
      const bool set = name == "builtins.set" || name == "__builtin__.set" || name == "builtins.frozenset" || name == "torch.Size";
      if (set && !arguments.items.empty()) return {{key, arguments.items[0]}};
      if (set || name == "torch.device") return {};
    }
    const std::string shown = function.kind == Kind::name ? name : "unknown";
    if (foreign_ == Foreign::refuse)
      refuse(key, fmt::format("an object of {}; of such a file only tensors, containers, numbers and texts are read", shown));
    left_out_.emplace(shown, key);
    return {};
  }

  // A whole number from 0 that fits into 64 bits.
  static bool small(const PickleValue& value) { return value.kind == Kind::integer && value.integer >= 0 && value.text.empty(); }

  [[nodiscard]] std::vector<std::int64_t> numbers(const std::string& key, const PickleValue& value, const char* what) const {
    const PickleValue* sequence = &value;
    if (value.kind == Kind::call && !pickle_.at(value.items[1]).items.empty()) sequence = &pickle_.at(pickle_.at(value.items[1]).items[0]);
    std::vector<std::int64_t> out;
    if (sequence->kind != Kind::sequence) refuse(key, fmt::format("a tensor whose {} is no tuple", what));
    for (const Number item : sequence->items) {
      const PickleValue& number = pickle_.at(item);
      if (!small(number)) refuse(key, fmt::format("a tensor whose {} is not of whole numbers from 0", what));
      out.push_back(number.integer);
    }
    return out;
  }

  [[nodiscard]] Storage storage_of(const std::string& key, const PickleValue& value) const {
    if (value.kind != Kind::persistent) refuse(key, "a tensor without a storage");
    const PickleValue& identity = pickle_.at(value.items[0]);
    if (identity.kind != Kind::sequence || identity.items.size() < 5) refuse(key, "a storage that is described in an unknown way");
    const auto item = [&](std::size_t i) -> const PickleValue& { return pickle_.at(identity.items[i]); };
    if (item(0).text != "storage" || item(1).kind != Kind::name || item(2).kind != Kind::text || !small(item(4)) ||
        (identity.items.size() > 5 && item(5).kind != Kind::none))
      refuse(key, "a storage that is described in an unknown way");
    Storage out{dtype_of(item(1).text), storage_(item(2).text)};
    if (out.dtype.empty()) refuse(key, fmt::format("values of {}, which no tensor here can have", item(1).text));
    const auto size = static_cast<std::uint64_t>(manifest::dtype_size(out.dtype));
    const auto count = static_cast<std::uint64_t>(item(4).integer);
    if (count > out.bytes.size() / size)
      refuse(key, fmt::format("a storage of {} values, of which the file holds {}", item(4).integer, out.bytes.size() / size));
    out.bytes = out.bytes.first(static_cast<std::size_t>(count * size));
    return out;
  }

  // storage, offset, shape, strides, ...; of version 3 the type as well, as its storage has none.
  void add_tensor(const std::string& key, const PickleValue& arguments, bool typed) {
    if (arguments.kind != Kind::sequence || arguments.items.size() < (typed ? 7 : 4)) refuse(key, "a tensor with too few parts");
    const auto argument = [&](std::size_t i) -> const PickleValue& { return pickle_.at(arguments.items[i]); };
    const Storage storage = storage_of(key, argument(0));
    StoredTensor tensor;
    tensor.dtype = typed ? dtype_of(argument(6).text) : storage.dtype;
    if (tensor.dtype.empty()) refuse(key, fmt::format("a tensor of {}, which is not known here", argument(6).text));
    tensor.shape = numbers(key, argument(2), "shape");
    tensor.strides = numbers(key, argument(3), "strides");
    if (tensor.shape.size() != tensor.strides.size()) refuse(key, "a tensor with more sides than strides, or fewer");
    if (!small(argument(1))) refuse(key, "a tensor whose offset is no number from 0");

    for (std::size_t d = 0; d < tensor.shape.size(); ++d)
      if (tensor.shape[d] <= 1) tensor.strides[d] = 0;  // never stepped along, whatever it says

    // The last element's place, in 128 bits: no product of two numbers of the file can leave them.
    const auto size = static_cast<std::uint64_t>(manifest::dtype_size(tensor.dtype)), held = storage.bytes.size() / size;
    const bool empty = std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end();
    __extension__ using Wide = unsigned __int128;
    Wide last = static_cast<std::uint64_t>(argument(1).integer), elements = 1;
    for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
      const auto side = static_cast<std::uint64_t>(tensor.shape[d]);
      elements *= side;
      if (side > 0) last += static_cast<Wide>(side - 1) * static_cast<std::uint64_t>(tensor.strides[d]);
      if (elements > std::uint64_t{1} << 60 || last > std::uint64_t{1} << 60) refuse(key, "a tensor larger than any file");
    }
    const Wide offset = static_cast<std::uint64_t>(argument(1).integer);
    if (empty ? offset > held : last >= held) refuse(key, "a tensor that reaches beyond its storage");
    // Repeated rows take no room in a file; a copy of them does.
    constexpr std::uint64_t most_repetition = 1024;
    if (elements > static_cast<Wide>(most_repetition) * (held + 1)) refuse(key, "a tensor that is a thousand times its storage");
    tensor.first = storage.bytes.subspan(static_cast<std::size_t>(static_cast<std::uint64_t>(offset) * size));
    if (!tensor.contiguous()) {
      const std::uint64_t copy = static_cast<std::uint64_t>(elements) * size;
      if (copy > copies_left_) refuse(key, "tensors that, row by row, are together far larger than the file");
      copies_left_ -= copy;
    }
    if (!tensors_.emplace(key, std::move(tensor)).second) refuse(key, "two tensors of one key");
  }

  const Pickle& pickle_;
  std::string name_;
  Foreign foreign_;
  std::map<std::string, StoredTensor>& tensors_;
  std::map<std::string, std::string>& left_out_;
  std::function<std::span<const std::byte>(const std::string& key)> storage_;
  /// Keys, and copies of tensors that repeat or skip, may take so many times the bytes of what they come from and of a small file.
  static constexpr std::uint64_t most_growth = 64, least_size = 1 << 14;
  std::uint64_t visits_left_, letters_left_, copies_left_;
};

}  // namespace

bool is_torch_file(std::span<const std::byte> bytes) { return is_zip(bytes) || is_legacy(bytes); }

bool StoredTensor::contiguous() const {
  std::int64_t expected = 1;
  for (std::size_t d = shape.size(); d > 0; --d) {
    if (shape[d - 1] > 1 && strides[d - 1] != expected) return false;
    expected *= shape[d - 1];
  }
  return true;
}

TorchFile::TorchFile(const core::fs::path& path, Foreign foreign) : file_(path) {
  const std::string name = path.string();
  const auto refuse = [&](const std::string& what) { core::fail(core::Exit::bad_data, "{}: {}", name, what); };
  const auto bytes = file_.bytes();
  if (bytes.empty()) refuse("is empty");
  if (is_zip(bytes)) {
    const auto members = read_zip(bytes, name);
    const auto text = std::find_if(members.begin(), members.end(),
                                   [](const auto& member) { return member.first == "data.pkl" || member.first.ends_with("/data.pkl"); });
    if (text == members.end()) refuse("a ZIP archive, but none of torch.save: it has no data.pkl");
    const std::string folder = text->first.substr(0, text->first.size() - std::string_view("data.pkl").size());
    if (const auto order = members.find(folder + "byteorder"); order != members.end()) {
      const std::string_view said(reinterpret_cast<const char*>(order->second.data()), order->second.size());
      if (said != "little") refuse("its numbers are of the other byte order");
    }
    if (members.contains(folder + "constants.pkl")) refuse("a TorchScript program; take the weights that it was made from");
    const Pickle pickle = read_pickle(text->second, name);
    Reader(pickle, name, bytes.size(), foreign, tensors_, left_out_, [&](const std::string& key) {
      const auto found = members.find(folder + "data/" + key);
      if (found == members.end()) refuse("has no storage '" + key + "'");
      return found->second;
    }).read();
    return;
  }
  if (!is_legacy(bytes)) refuse("is no file of torch.save");
  // Five pickles one after the other (mark, protocol, machine, the object, the storages' keys), then the storages in that order.
  std::size_t at = 0;
  const auto next = [&] {
    Pickle pickle = read_pickle(bytes.subspan(at), name);
    at += pickle.end;
    return pickle;
  };
  next();
  if (const Pickle protocol = next(); protocol.at(protocol.root).integer != legacy_protocol)
    refuse("a protocol of torch.save that is not known");
  const Pickle machine = next();
  if (const PickleValue* little = machine.find(machine.at(machine.root), "little_endian"); little != nullptr && little->integer != 1)
    refuse("its numbers are of the other byte order");
  const Pickle object = next(), keys = next();
  // How large the storages are stands in the object, by their keys.
  std::map<std::string, std::uint64_t> sizes;
  for (const PickleValue& value : object.values) {
    if (value.kind != Kind::persistent) continue;
    const PickleValue& identity = object.at(value.items[0]);
    if (identity.kind != Kind::sequence || identity.items.size() < 5) continue;
    const std::string dtype = dtype_of(object.at(identity.items[1]).text);
    if (!dtype.empty()) sizes[object.at(identity.items[2]).text] = static_cast<std::uint64_t>(manifest::dtype_size(dtype));
  }
  std::map<std::string, std::span<const std::byte>> storages;
  for (const Number item : keys.at(keys.root).items) {
    const std::string& key = keys.at(item).text;
    const auto size = sizes.find(key);
    if (size == sizes.end() || bytes.size() - at < 8) refuse("has a storage '" + key + "' that nothing uses, or breaks off before it");
    std::uint64_t count = 0;
    std::memcpy(&count, bytes.data() + at, 8);
    at += 8;
    if (count > (bytes.size() - at) / size->second) refuse(fmt::format("breaks off in storage '{}' of {} values", key, count));
    storages[key] = bytes.subspan(at, static_cast<std::size_t>(count * size->second));
    at += static_cast<std::size_t>(count * size->second);
  }
  Reader(object, name, bytes.size(), foreign, tensors_, left_out_, [&](const std::string& key) {
    const auto found = storages.find(key);
    if (found == storages.end()) refuse("has no storage '" + key + "'");
    return found->second;
  }).read();
}

manifest::TensorView TorchFile::row_by_row(const std::string& key) {
  const StoredTensor& tensor = tensors_.at(key);
  manifest::TensorView view{.dtype = tensor.dtype, .shape = tensor.shape, .bytes = {}};
  const auto size = static_cast<std::size_t>(manifest::dtype_size(tensor.dtype));
  const auto elements = static_cast<std::size_t>(view.elements());
  if (tensor.contiguous()) {
    view.bytes = tensor.first.first(elements * size);
    return view;
  }
  const auto [found, fresh] = copies_.try_emplace(key);
  std::vector<std::byte>& copy = found->second;
  if (fresh) {
    copy.resize(elements * size);
    std::vector<std::int64_t> place(tensor.shape.size(), 0);
    std::int64_t from = 0;
    for (std::size_t i = 0; i < elements; ++i) {
      std::memcpy(copy.data() + i * size, tensor.first.data() + static_cast<std::size_t>(from) * size, size);
      for (std::size_t d = place.size(); d > 0; --d) {
        from += tensor.strides[d - 1];
        if (++place[d - 1] < tensor.shape[d - 1]) break;
        from -= tensor.strides[d - 1] * tensor.shape[d - 1];
        place[d - 1] = 0;
      }
    }
  }
  view.bytes = copy;
  return view;
}

}  // namespace selfsight::weights
