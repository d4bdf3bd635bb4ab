#include "manifest/npy.h"

#include "core/error.h"

#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

namespace selfsight::manifest {

namespace {

/// The text behind 'key': in the header, which is a Python dictionary that numpy writes in one fixed form; nothing when it is not there.
std::optional<std::string_view> value_of(std::string_view header, std::string_view key) {
  const std::string quoted = "'" + std::string(key) + "'";
  auto at = header.find(quoted);
  if (at == std::string_view::npos) return std::nullopt;
  at = header.find_first_not_of(" :", at + quoted.size());
  return at == std::string_view::npos ? std::nullopt : std::optional(header.substr(at));
}

}  // namespace

Npy::Npy(const core::fs::path& path) : file_(path) {
  const auto bytes = file_.bytes();
  const auto refuse = [&](const std::string& what) { core::fail(core::Exit::bad_data, "{}: {}", path.string(), what); };
  constexpr std::string_view magic = "\x93NUMPY", zip = "PK";
  if (bytes.empty()) refuse("is empty");
  if (bytes.size() >= zip.size() && std::memcmp(bytes.data(), zip.data(), zip.size()) == 0)
    refuse("is an archive of arrays (.npz): save the one that is meant with numpy.save");
  if (bytes.size() < 10 || std::memcmp(bytes.data(), magic.data(), magic.size()) != 0) refuse("is not a .npy file");
  const auto version = std::to_integer<int>(bytes[6]);
  if (version < 1 || version > 3) refuse(fmt::format(".npy version {} is not known (1 to 3 are)", version));
  const std::size_t prefix = version == 1 ? 10 : 12;
  if (bytes.size() < prefix) refuse("is cut off in its header");
  std::size_t length = 0;
  for (std::size_t i = prefix; i-- > 8;) length = length << 8 | std::to_integer<std::size_t>(bytes[i]);
  if (length > bytes.size() - prefix) refuse("is cut off in its header");
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + prefix, length);

  const auto type = value_of(header, "descr"), order = value_of(header, "fortran_order"), shape = value_of(header, "shape");
  if (!type || !order || !shape) refuse("its header lacks descr, fortran_order or shape");
  if (!type->starts_with('\'')) refuse("holds structures, which are not read here: save one plain array");
  const std::string descr(type->substr(1, type->find('\'', 1) - 1));
  static const std::map<std::string, std::string> types = {{"<f8", "F64"}, {"<f4", "F32"}, {"<f2", "F16"}, {"<i8", "I64"}, {"<i4", "I32"},
                                                           {"<i2", "I16"}, {"|i1", "I8"},  {"|u1", "U8"},  {"|b1", "BOOL"}};
  const auto known = types.find(descr);
  if (known == types.end())
    refuse(fmt::format("numbers of type '{}' are not read here (little-endian float64/32/16, int64/32/16/8, uint8 and bool are)", descr));
  tensor_.dtype = known->second;

  if (!shape->starts_with('(')) refuse("its shape is not a tuple");
  std::string_view rest = shape->substr(1);
  constexpr std::uint64_t largest_size = std::uint64_t{1} << 62;
  auto size = static_cast<std::uint64_t>(dtype_size(tensor_.dtype));
  for (;;) {
    rest.remove_prefix(std::min(rest.find_first_not_of(", "), rest.size()));
    if (rest.starts_with(')')) break;
    std::int64_t side = -1;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), side);
    if (error != std::errc{} || side < 0) refuse("its shape is not of whole numbers");
    if (side > 0 && size > largest_size / static_cast<std::uint64_t>(side)) refuse("its shape is too large");
    size *= static_cast<std::uint64_t>(side);
    tensor_.shape.push_back(side);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  }
  if (order->starts_with("True") && tensor_.shape.size() > 1) refuse("is in Fortran order: save it with numpy.ascontiguousarray");
  const auto data = bytes.subspan(prefix + length);
  if (data.size() != size)
    refuse(fmt::format("its shape ({}) asks for {} bytes, {} follow", fmt::join(tensor_.shape, ", "), size, data.size()));
  tensor_.bytes = data;
}

}  // namespace selfsight::manifest
